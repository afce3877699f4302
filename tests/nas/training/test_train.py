"""The training loop: it learns, it repeats itself exactly, it says when it cannot go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.data import Augment, Dataset, Images
from nas.data.streamed import LIMIT, InFile, Streamed, left_in
from nas.devices.precision import computes_in_bf16
from nas.devices.recording import RECORDERS
from nas.devices.tensor_program import TensorPrograms
from nas.training.evaluation import accuracy, predict
from nas.training.recipe import Recipe
from nas.training.train import TOLD_EVERY, Diverged, Moment, train
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.layers import concat, conv, depthwise, head, mbconv, network
from searchspaces.modules import ScheduledDropPath

RECIPE = Recipe(epochs=12, batch_size=20)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return network(conv(8, stride=2), mbconv(16, 2, expand=2), mbconv(16, 1, expand=2), head(4))


def test_it_learns(tiny: Dataset) -> None:
    epochs = list(train(small(), tiny, RECIPE, seed=0))
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].val_accuracy > 0.5  # by chance: 0.25
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].images == 12 * 180 and epochs[-1].seconds > epochs[0].seconds > 0


@pytest.mark.parametrize(
    "changes", [{"policy": "trivialaugment", "color_jitter": 0.2}, {"mixup": 0.2, "cutmix": 1.0}, {"rotation": 10}]
)
def test_it_learns_from_images_that_are_changed_more(tiny: Dataset, changes: dict[str, Any]) -> None:
    epochs = list(train(small(), tiny, replace(RECIPE, epochs=20, **changes), seed=0))
    assert epochs[-1].val_accuracy > 0.4 and epochs[-1].loss < epochs[0].loss


def test_a_recipe_has_its_augmentation() -> None:
    """Each of what images can be changed by is a field of the recipe, but for the shift; its default is the same."""
    assert Recipe().augment() == Augment()
    recipe = Recipe().changed({"flip": "false", "policy": "randaugment", "mixup": "0.2", "rotation": "15"})
    assert recipe.augment() == Augment(flip=False, policy="randaugment", mixup=0.2, rotation=15)
    assert {f.name for f in fields(Augment)} - {f.name for f in fields(Recipe)} == {"pad"}


@pytest.mark.parametrize("bf16", [False, True])
def test_one_seed_gives_one_training(tiny: Dataset, bf16: bool) -> None:
    recipe = replace(RECIPE, epochs=2, bf16=bf16)
    first, again, other = (small() for _ in range(3))
    losses = [[e.loss for e in train(n, tiny, recipe, seed)] for n, seed in ((first, 1), (again, 1), (other, 2))]
    assert losses[0] == losses[1] != losses[2]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_bfloat16_trains_about_as_well_as_float32(tiny: Dataset) -> None:
    """Held by the autocast cache, for one: weights kept over several steps in bfloat16 would be stale ones."""
    last = [list(train(small(), tiny, replace(RECIPE, bf16=bf16), seed=0))[-1] for bf16 in (False, True)]
    assert abs(last[0].loss - last[1].loss) < 0.1


def test_depthwise_convolutions_keep_their_padding_in_bfloat16(tiny: Dataset) -> None:
    torch.manual_seed(0)
    branches = [depthwise(5, 2, padding="tf"), conv(8, 1, stride=2)]  # 8 pixels each; 6 without the padding
    module = network(conv(8), concat(*branches), head(4))
    assert next(train(module, tiny, replace(RECIPE, bf16=True), seed=0)).loss < 2


def test_depthwise_convolutions_are_left_as_they_were(tiny: Dataset) -> None:
    trained = small()
    list(train(trained, tiny, replace(RECIPE, epochs=1, bf16=True), seed=0))
    assert all("forward" not in vars(module) for module in trained.modules())


def test_dilated_convolutions_are_computed_in_float32(tiny: Dataset) -> None:
    """oneDNN's gradients of 24 channels in bfloat16 are sometimes NaN, and sometimes crash (torch 2.13, AVX-512)."""
    module = network({"plain": conv(24), "dilated": conv(8, dilation=2), "fc": head(4)})
    kinds = {}
    for name in ("plain", "dilated"):
        convolution = module.get_submodule(name)[0]
        convolution.register_forward_hook(lambda _, x, y, name=name: kinds.update({name: y.dtype}))
    list(train(module, tiny, replace(RECIPE, epochs=1, bf16=True), seed=0))
    assert kinds == {"plain": torch.bfloat16, "dilated": torch.float32}


def test_a_loss_that_is_no_number_is_said(tiny: Dataset) -> None:
    with pytest.raises(Diverged, match=r"training loss was (nan|inf) at step \d+; a lower --lr"):
        list(train(small(), tiny, Recipe(batch_size=20, lr=1e30, warmup=0.0), seed=0))


def test_closing_the_generator_stops_it(tiny: Dataset) -> None:
    training = train(small(), tiny, RECIPE, seed=0)
    assert next(training).number == 1
    training.close()
    assert list(training) == []


def test_evaluation_does_not_depend_on_the_batch_it_is_in(tiny: Dataset) -> None:
    module = small()
    list(train(module, tiny, replace(RECIPE, epochs=2), seed=0))
    recipe = replace(RECIPE, bf16=False)
    whole = accuracy(predict(module, tiny.train, tiny, recipe), tiny.train.labels)
    parts = [accuracy(predict(module, part, tiny, recipe), part.labels) for part in tiny.train.divide(90, seed=0)]
    assert whole == pytest.approx(sum(parts) / 2)


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(lr=0.4, warmup=0.25)
    assert [recipe.rate(p) for p in (0.0, 0.125, 0.25)] == pytest.approx([0.0, 0.2, 0.4])
    assert recipe.rate(0.625) == pytest.approx(0.2) and recipe.rate(1.0) == pytest.approx(0.0)


def test_a_recipe_is_changed_by_name() -> None:
    changed = Recipe().changed({"label_smoothing": 0, "optimizer": "adamw", "bf16": "false", "cutout": "8"})
    assert changed == Recipe(label_smoothing=0, optimizer="adamw", bf16=False, cutout=8)
    for change, message in (
        ({"colour": 1}, "has no 'colour'"),
        ({"lr": "fast"}, "no value for lr"),
        ({"optimizer": "x"}, "one of sgd"),
    ):
        with pytest.raises(ValueError, match=message):
            Recipe().changed(change)


def test_other_schedules() -> None:
    assert Recipe(lr=0.4, schedule="constant").rate(0.9) == 0.4
    cosine = Recipe(lr=0.4, schedule="cosine")
    assert [cosine.rate(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.4, 0.2, 0.0])


def test_a_training_can_be_given_seconds(tiny: Dataset) -> None:
    epochs = list(train(small(), tiny, replace(RECIPE, seconds=0.5), seed=0))
    assert 0.5 <= epochs[-1].seconds < 5 and epochs[-1].images > 0


def test_adamw_learns(tiny: Dataset) -> None:
    recipe = replace(RECIPE, optimizer="adamw", lr=0.01)
    assert list(train(small(), tiny, recipe, seed=0))[-1].val_accuracy > 0.5


@pytest.mark.parametrize("aux_weight", [0.0, 0.5])
def test_auxiliary_classifiers_are_trained_by_their_weight(tiny: Dataset, aux_weight: float) -> None:
    torch.manual_seed(0)
    rows = network({"conv1": conv(8, stride=2), "conv2": conv(16, stride=2), "fc": head(4)})
    classifier = network(head(4), c_in=8)
    module = WithAuxiliary(rows, {"conv1": classifier}, aux_weight)
    loss = next(train(module, tiny, replace(RECIPE, lr=1e-6), seed=0)).loss
    # At this rate nothing is learnt, so every loss is about that of a guess among four.
    assert loss == pytest.approx((1 + aux_weight) * math.log(4), rel=0.15)
    *_, bias = classifier.parameters()  # it starts at zero and has no weight decay
    assert bool(bias.any()) == (aux_weight > 0)


class Noting(ScheduledDropPath):
    """Notes down the probability of each step."""

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self.seen: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += [self.probability().item()] * self.training
        return super().forward(x)


@pytest.mark.parametrize("seconds", [None, 0.5])
def test_paths_are_dropped_more_often_as_the_training_goes_on(tiny: Dataset, seconds: float | None) -> None:
    path = Noting(0.8)
    module = network(conv(8, stride=2), lambda c: (path, c), head(4))
    list(train(module, tiny, replace(RECIPE, epochs=3, seconds=seconds), seed=0))
    assert path.seen == sorted(path.seen) and 0 <= path.seen[0] < 0.1 and 0.7 < path.seen[-1] <= 0.8
    if seconds is None:
        assert path.seen == pytest.approx([0.8 * (step + 1) / 28 for step in range(27)])


def test_a_recipe_prepares_the_data_once(tiny: Dataset) -> None:
    prepared = Recipe(subset=40, image_size=8).prepare(tiny)
    assert len(prepared.train) == 40 and prepared.image_size == 8
    assert len(prepared.val) == len(tiny.val) and prepared.val.pixels.shape[1] == 8
    assert torch.bincount(prepared.train.labels).tolist() == [10] * 4


@pytest.mark.parametrize(
    "mistake", [{"epochs": 0}, {"batch_size": -1}, {"lr": 0.0}, {"subset": 0}, {"image_size": 4}, {"seconds": 0.0}]
)
def test_mistakes_are_named(mistake: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(mistake))} must be"):
        Recipe(**mistake)  # type: ignore[arg-type]


def test_this_cpu_knows_whether_it_has_bfloat16() -> None:
    assert computes_in_bf16(torch.device("cpu")) in (True, False)


def test_moments_are_told_from_the_first_step_and_seldom(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Moment] = []
    epochs = list(train(small(), tiny, replace(RECIPE, epochs=2), seed=0, on_step=told.append))
    assert (told[0].epoch, told[0].step, told[0].steps, told[0].images) == (1, 1, 9, 20)
    assert math.isfinite(told[0].loss) and 0 < told[0].seconds < epochs[-1].seconds
    assert len(told) <= 1 + epochs[-1].seconds / TOLD_EVERY
    monkeypatch.setattr("nas.training.train.TOLD_EVERY", 0)
    told.clear()
    list(train(small(), tiny, replace(RECIPE, epochs=2), seed=0, on_step=told.append))
    assert [(m.epoch, m.step) for m in told] == [(epoch, step) for epoch in (1, 2) for step in range(1, 10)]
    assert [m.done for m in told] == pytest.approx([step / 18 for step in range(1, 19)])


def variants() -> dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]]:
    def with_more(module: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        def build() -> nn.Module:
            torch.manual_seed(0)
            return network(conv(8, stride=2), lambda c: (module(), c), head(4))

        return build

    return {
        "plain": (small, {}),
        "bfloat16": (small, {"bf16": True}),
        "cutout": (small, {"cutout": 4}),
        "resized crops": (small, {"min_area": 0.3, "cutout": 4}),
        "turns": (small, {"flip": False, "vertical_flip": True, "quarter_turns": True, "rotation": 20}),
        "colours": (small, {"color_jitter": 0.4, "policy": "randaugment"}),
        "trivialaugment": (small, {"policy": "trivialaugment", "min_area": 0.3}),
        "mixup": (small, {"mixup": 0.2}),
        "cutmix": (small, {"cutmix": 1.0, "bf16": True}),
        "either mixture": (small, {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.0, "cutout": 4}),
        "adamw": (small, {"optimizer": "adamw"}),
        "dropout": (with_more(lambda: nn.Dropout(0.5)), {}),
        "drop-path": (with_more(lambda: ScheduledDropPath(0.5)), {}),
        "less than a batch": (small, {"batch_size": 500, "epochs": 9}),
    }


@pytest.mark.parametrize("variant", variants())
def test_a_training_that_is_recorded_is_the_same(variant: str, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate of a recorded step is a tensor of float32, so the last digits may differ."""
    build, changes = variants()[variant]
    recipe = replace(RECIPE, bf16=False, epochs=2)
    recipe = replace(recipe, **changes)
    torch.manual_seed(3)
    expected = list(train(build(), tiny, recipe, seed=0, evaluate_at=(60,)))
    monkeypatch.setitem(RECORDERS, "cpu", TensorPrograms)
    torch.manual_seed(3)
    found = list(train(build(), tiny, recipe, seed=0, evaluate_at=(60,)))
    assert [epoch.single_steps for epoch in found] == [""] * recipe.epochs
    assert [epoch.loss for epoch in found] == pytest.approx([epoch.loss for epoch in expected], rel=1e-3)
    single = list(train(build(), tiny, recipe, seed=0, recorded=False))
    assert {epoch.single_steps for epoch in single} == {"it was asked for"}


def test_what_is_done_between_epochs_takes_no_time_of_the_training(tiny: Dataset) -> None:
    for epoch in train(small(), tiny, replace(RECIPE, epochs=2), seed=0):
        time.sleep(1.0 * (epoch.number == 1))
    assert epoch.seconds < 1


@pytest.mark.parametrize(
    ("variant", "more"),
    [
        *((variant, {}) for variant in variants()),
        ("plain", {"image_size": 12}),
        ("plain", {"progressive": 0.5, "epochs": 3}),
        ("plain", {"progressive": 0.5, "epochs": 3, "image_size": 12}),
    ],
)
def test_images_that_are_read_as_they_are_needed_train_the_same(
    variant: str, more: dict[str, Any], tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, also where the steps are recorded."""
    build, changes = variants()[variant]
    recipe = replace(RECIPE, bf16=False, epochs=2)
    recipe = replace(recipe, **changes, **more)
    for recorder in ({}, {"cpu": TensorPrograms}):
        monkeypatch.setattr("nas.devices.recording.RECORDERS", recorder)
        found = []
        for limit in ("1", "0"):
            monkeypatch.setenv(LIMIT, limit)
            dataset = recipe.prepare(replace(tiny, train=in_a_file(tiny.train, tmp_path), val=tiny.val))
            assert isinstance(dataset.train.pixels, Streamed) == (limit == "0")
            torch.manual_seed(3)
            network = build()
            epochs = list(train(network, dataset, recipe, seed=0))
            found.append(([(e.loss, e.val_accuracy, e.single_steps) for e in epochs], network.state_dict()))
        (one, weights), (other, other_weights) = found
        assert one == other and {said for *_, said in one} == {""}
        assert all(tensor.equal(other_weights[name]) for name, tensor in weights.items())


def in_a_file(images: Images, folder: Path) -> Images:
    """The same images in a file, from which they are read as they are needed if they are too many."""
    (folder / "pixels").write_bytes(images.pixels[:].numpy().tobytes())
    return Images(left_in(InFile(folder / "pixels", 0, tuple(images.pixels.shape))), images.labels)
