"""What is frozen stays as it was to the last bit, batch norms' statistics too; what is not is trained at its rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas import baselines
from nas.data import Dataset
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces.layers import conv, head, mbconv, network

RECIPE = Recipe(epochs=2, batch_size=20, bf16=False)
ROWS = ("stem", "pool", "block1", "block2", "fc")


def small() -> nn.Sequential:
    torch.manual_seed(0)
    pool = nn.AvgPool2d(2)  # a row without weights
    return network(
        {"stem": conv(8), "pool": lambda c: (pool, c), "block1": mbconv(8), "block2": mbconv(16, 2), "fc": head(4)}
    )


def changed(tuning: FineTuning, dataset: Dataset, recipe: Recipe = RECIPE) -> tuple[set[str], nn.Sequential]:
    """The rows in which a training changed any tensor, and the network."""
    module = small()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    list(train(module, dataset, recipe, 0, tuning))
    after = module.state_dict()
    return {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}, module


@pytest.mark.parametrize(
    ("tuning", "trained"),
    [
        (EVERYTHING, {"stem", "block1", "block2", "fc"}),
        (FineTuning(("backbone",)), {"fc"}),
        (FineTuning(("stem", "block1")), {"block2", "fc"}),
        (FineTuning(("fc",)), {"stem", "block1", "block2"}),
        (FineTuning(train_last=1), {"fc"}),
        (FineTuning(train_last=3), {"block1", "block2", "fc"}),
    ],
)
def test_what_is_frozen_does_not_change(tiny: Dataset, tuning: FineTuning, trained: set[str]) -> None:
    found, module = changed(tuning, tiny)
    assert found == trained
    assert {name for name, row in module.named_children() for p in row.parameters() if p.requires_grad} == trained


def test_a_frozen_row_computes_as_in_evaluation(tiny: Dataset) -> None:
    modes: dict[str, set[bool]] = {}
    module = small()
    for name, row in module.named_children():
        row.register_forward_pre_hook(lambda row, _, name=name: modes.setdefault(name, set()).add(row.training))
    training = train(module, tiny, RECIPE, 0, FineTuning(("backbone",)))
    next(training)
    next(training)
    assert modes["stem"] == modes["block2"] == {False} and modes["fc"] == {False, True}


def test_the_backbone_has_a_rate_of_its_own(tiny: Dataset) -> None:
    """Over one step of plain gradient descent what changes is in proportion to the rate."""
    recipe = replace(
        RECIPE, epochs=1, subset=20, momentum=0.0, weight_decay=0.0, schedule="constant", label_smoothing=0.0
    )
    prepared = recipe.prepare(tiny)
    steps = []
    for factor in (1.0, 0.1):
        module = small()
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        list(train(module, prepared, recipe, 0, FineTuning(train_last=3, backbone_lr=factor)))
        steps.append({name: p.detach() - before[name] for name, p in module.named_parameters()})
    for name, whole in steps[0].items():
        row = name.partition(".")[0]
        expected: Tensor = whole * {"stem": 0.0, "block1": 0.1, "block2": 0.1, "fc": 1.0}[row]
        torch.testing.assert_close(steps[1][name], expected, rtol=1e-3, atol=1e-6)


def test_the_default_is_every_parameter_at_one_rate() -> None:
    module = small()
    ((parameters, factor),) = EVERYTHING.groups(module)
    assert factor == 1.0 and all(a is b for a, b in zip(parameters, module.parameters(), strict=True))
    bare = nn.Sequential(nn.Flatten())
    assert EVERYTHING.groups(bare) == [] and EVERYTHING.frozen(bare) == []


def test_the_head_of_a_network_that_ends_in_pooling_is_what_has_weights() -> None:
    module = baselines.build("squeezenet1_1", 10, 64)
    assert list(dict(module.named_children()))[-1] == "avgpool10"
    frozen = FineTuning(("backbone",)).frozen(module)
    assert "fire9" in frozen and "conv10" not in frozen
    assert set(dict(module.named_children())) - set(FineTuning(train_last=1).frozen(module)) == {"conv10", "avgpool10"}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"freeze": ("stem",), "train_last": 1}, "give one of them"),
        ({"train_last": 0}, "--train-last must be at least 1"),
        ({"backbone_lr": 0.0}, "--backbone-lr must be above 0"),
        ({"backbone_lr": 2.0}, "and at most 1, not 2"),
    ],
)
def test_mistakes_are_named(mistake: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FineTuning(**mistake)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        (FineTuning(("stem", "conv9")), "no row 'conv9'; there are stem, pool, block1, block2, fc, and backbone"),
        (FineTuning(ROWS), "nothing is left to train"),
        (FineTuning(train_last=5), "the network has 4 rows with weights"),
    ],
)
def test_rows_that_a_network_has_not_are_named(tuning: FineTuning, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tuning.frozen(small())
