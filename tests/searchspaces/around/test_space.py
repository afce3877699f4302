"""The space around a network: the original in it, and what changed networks are."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from searchspaces.around.space import AS_IS, AroundSpace
from searchspaces.cost import cost, shapes_only
from searchspaces.layers import chain, conv, head, mbconv, network, relu, residual, stage
from searchspaces.scaled import ScaledSpace
from searchspaces.summary import FIGURES


def block(c: int, stride: int) -> Callable[[int], tuple[nn.Module, int]]:
    def layer(c_in: int) -> tuple[nn.Module, int]:
        same = stride == 1 and c == c_in
        shortcut = (lambda c_in: (nn.Identity(), c_in)) if same else conv(c, 1, stride, act=None)
        return residual(chain(conv(c, 3, stride), conv(c, 3, act=None)), shortcut, relu)(c_in)

    return layer


def small_resnet(num_classes: int, image_size: int) -> nn.Module:
    rows = {"stage1": stage(block, 8, 2, 1), "stage2": stage(block, 16, 2, 2)}
    return network({"stem": conv(8)}, rows, {"head": head(num_classes)})


def small_mobilenet(num_classes: int, image_size: int) -> nn.Module:
    rows = {"mb1": stage(mbconv, 8, 1, 1), "mb2": stage(mbconv, 16, 3, 2)}
    return network({"stem": conv(8)}, rows, {"head": head(num_classes)})


class HardCoded(nn.Module):
    """Its forward has the number of its first channels as a constant."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first, self.second, self.fc = (
            nn.Conv2d(3, 8, 1),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.Linear(16, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x.view(x.shape[0], 8, x.shape[2], x.shape[3])
        out: Tensor = self.fc(self.second(x).mean((2, 3)))
        return out


def one_list(num_classes: int, image_size: int) -> nn.Module:
    """Two stages whose blocks are children of one container, by their numbers."""
    blocks = [block(8, 1), block(8, 1), block(16, 2), block(16, 1)]
    return network(conv(8), *blocks, head(num_classes))


def pooled(num_classes: int, image_size: int) -> nn.Module:
    """Its poolings are in no stage: one keeps the size with a stride of 1, the other only where it is left out."""
    rows = [conv(8), pool(3), conv(16), pool(2), conv(16)]
    return network(*rows, head(num_classes))


def pool(kernel: int) -> Callable[[int], tuple[nn.Module, int]]:
    return lambda c_in: (nn.MaxPool2d(kernel, 2, kernel // 3), c_in)


BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {
    "resnet": small_resnet,
    "list": one_list,
    "mobilenet": small_mobilenet,
    "pooled": pooled,
    "hard-coded": lambda num_classes, image_size: HardCoded(num_classes),
}


@dataclass(frozen=True)
class Around(AroundSpace):
    name: ClassVar[str] = "around"
    network: str = "resnet"

    @property
    def original_text(self) -> str:
        return self.network

    def original(self, num_classes: int, image_size: int) -> nn.Module:
        return BUILDERS[self.network](num_classes, image_size)


@pytest.mark.parametrize("limit", [None, 500_000, 100_000_000])
def test_the_original_is_one_of_its_architectures_whatever_the_limit(limit: int | None) -> None:
    space = Around(max_macs=limit)
    assert space.format(space.as_is) == AS_IS and space.parse(AS_IS) == space.as_is
    assert space.fixed(0) == space.options(space.as_is) and space.fixed(1) == {}
    torch.manual_seed(0)
    built = space.build(space.as_is)
    torch.manual_seed(0)
    original = small_resnet(10, 32)
    assert str(built) == str(original)
    assert all(torch.equal(a, b) for a, b in zip(built.parameters(), original.parameters(), strict=True))


def test_others_are_as_wide_as_the_limit_allows() -> None:
    space = Around(max_macs=40_000_000)
    rng = random.Random(0)
    for arch in (space.sample(rng) for _ in range(5)):
        with shapes_only():
            macs = cost(space.build(arch), 32).macs
        assert 30_000_000 < macs <= 40_000_000


@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
def test_costs_at_a_width_are_those_of_what_is_built(name: str) -> None:
    space, rng = Around(network=name), random.Random(1)
    for arch in (space.sample(rng) for _ in range(4)):
        for width in (1.0, 0.5, 1.3, 1.0):  # of one network without numbers, back and forth
            costs = ("macs", "params", "activations")
            assert space.costs_at(arch, width, costs) == ScaledSpace.costs_at(space, arch, width, costs)


def of(space: Around, **options: object) -> nn.Module:
    """The original but for some options, by their names with two underscores for the dot."""
    chosen = space.options(space.as_is) | {name.replace("__", "."): value for name, value in options.items()}
    return space.build(space.from_options(chosen))


def test_a_stage_s_width_is_that_of_all_that_adds_to_it() -> None:
    convs = {name: m for name, m in of(Around(), stage1__width=1.5).named_modules() if isinstance(m, nn.Conv2d)}
    assert convs["stem.0"].out_channels == 16  # 12, and a multiple of 8
    assert convs["stage2.0.body.0.0"].in_channels == convs["stem.0"].out_channels


def test_blocks_are_left_out_and_added() -> None:
    assert [len(of(Around(), stage2__depth=depth).stage2) for depth in (1, 2, 3, 4)] == [1, 2, 3, 4]  # type: ignore[arg-type]


def test_several_stages_of_one_list_change_their_depth() -> None:
    network = of(Around(network="list"), stage_0__depth=4, stage_3__depth=1)
    assert isinstance(network, nn.Sequential)
    assert list(network._modules) == [str(n) for n in range(len(network))]
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert widths.count(16) == 2 and widths.count(8) == len(widths) - 2 == 7
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_added_blocks_have_weights_of_their_own() -> None:
    stage2 = of(Around(), stage2__depth=3).stage2
    assert not torch.equal(stage2[1].body[0][0].weight, stage2[2].body[0][0].weight)  # type: ignore[index, union-attr]


def test_kernels_operations_gates_and_activations_change() -> None:
    network = of(Around(), stage1__kernel=5, stage1__se="se", stage2__op="sep", activation="silu")
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    assert {convs[name].kernel_size for name in ("stage1.0.body.0.0", "stage1.1.body.1.0")} == {(5, 5)}
    assert convs["stage2.0.body.0.0.0"].groups == 8 and convs["stage2.0.body.0.0.1"].kernel_size == (1, 1)
    kinds = [type(m).__name__ for m in network.modules()]
    assert kinds.count("SqueezeExcite") == 2 and "SiLU" in kinds and kinds.count("ReLU") == 2  # inside the gates


def test_layers_of_another_size_start_with_the_original_s_spread() -> None:
    torch.manual_seed(0)
    wide, own = of(Around(), stage2__width=1.5), small_resnet(10, 32)
    for made in (wide, own):
        weight = made.stage2[1].body[0][0].weight  # type: ignore[index, union-attr]
        spread = float(weight.detach().std()) * weight[0].numel() ** 0.5
        assert 1.2 < spread < 1.6  # He et al. (2015): the root of two
    assert {float(m.weight.detach().mean()) for m in wide.modules() if isinstance(m, nn.BatchNorm2d)} == {1.0}


def test_what_the_code_counts_on_is_left_as_it_is_and_said() -> None:
    space = Around(network="hard-coded")
    assert "first.width" in space.left_out and "do not fit together" in space.left_out["first.width"]
    assert {choice.name for choice in space.choices}.isdisjoint(space.left_out)
    for arch in (space.sample(random.Random(seed)) for seed in range(5)):
        assert space.build(arch)(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_what_varies_can_be_said() -> None:
    kinds = {choice.kind for choice in Around(vary=("width", "depth")).choices}
    assert kinds == {"width", "depth"}
    with pytest.raises(ValueError, match=r"vary takes width, expand, .* not 'wdth'"):
        Around(vary=("wdth",))


def test_a_changed_network_exports_and_trains() -> None:
    space = Around(network="mobilenet")
    for seed in range(3):
        network = space.build(space.sample(random.Random(seed))).eval()
        images = torch.randn(2, 3, 32, 32)
        program = torch.export.export(network, (images,))
        assert torch.allclose(program.module()(images), network(images), atol=1e-5)
        network.train()(images).sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_each_layer_has_choices_of_its_own_where_that_is_asked() -> None:
    space = Around(by="layer")
    names = {choice.name for choice in space.choices}
    assert {"stage1.depth", "stage1_0_body_0_0.width", "stage2_0_body_1_0.kernel", "stage2_1_body_0_0.op"} <= names
    network = of(space, stage2_0_body_0_0__width=0.5, stage2_1_body_0_0__kernel=5, stage1_1_body_0_0__op="sep")
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    narrow = [name for name, m in convs.items() if name.startswith("stage2") and m.out_channels == 8]
    large = [name for name, m in convs.items() if m.kernel_size == (5, 5)]
    assert narrow == ["stage2.0.body.0.0"] and large == ["stage2.1.body.0.0"]
    assert [name for name, m in convs.items() if m.groups > 1] == ["stage1.1.body.0.0.0"]
    with pytest.raises(ValueError, match="by is stage or layer, not 'row'"):
        Around(by="row")


def test_choices_of_a_layer_that_is_left_out_make_no_other_network() -> None:
    space = Around(by="layer", vary=("depth", "kernel"))
    chosen = space.options(space.as_is) | {"stage2.depth": 1}
    alike = [space.from_options(chosen | {"stage2_1_body_0_0.kernel": kernel}) for kernel in (3, 5)]
    assert len({space.canonical(arch) for arch in alike}) == 1


def sizes(network: nn.Module) -> dict[str, int]:
    """Pixels a side of what each row puts out."""
    found = {}
    x = torch.randn(1, 3, 32, 32)
    for name, row in network.named_children():
        x = row(x)
        found[name] = x.shape[-1]
    return found


def test_strides_are_varied_where_that_is_asked() -> None:
    space = Around(vary=("stride",))
    assert {choice.name for choice in space.choices} == {"stem.stride", "stage2.stride"}
    assert "stage1.stride" in space.left_out  # its first block adds what it is given
    assert sizes(of(space))["stage2"] == 16 and sizes(of(space, stage2__stride=1))["stage2"] == 32
    assert sizes(of(space, stem__stride=2, stage2__stride=1)) | {"head": 0} == {
        "stem": 16, "stage1": 16, "stage2": 16, "head": 0,
    }  # fmt: skip
    assert not any(choice.kind == "stride" for choice in Around().choices)


def test_poolings_belong_to_what_runs_next() -> None:
    space = Around(network="pooled", vary=("stride",))
    own = {choice.name: space.options(space.as_is)[choice.name] for choice in space.choices}
    assert list(own.values()) == [1, 2, 2]
    kept = of(space, **{name.replace(".", "__"): 1 for name in own})
    assert kept(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert list(sizes(kept).values())[:-1] == [32] * 5


@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
@pytest.mark.parametrize("settings", [{}, {"by": "layer"}, {"vary": ("width", "depth", "stride")}])
def test_a_surrogate_sees_what_the_network_is_like_without_building_it(name: str, settings: dict[str, Any]) -> None:
    space, rng = Around(network=name, **settings), random.Random(0)
    archs = [space.as_is, *(space.sample(rng) for _ in range(12))]
    seen, real = (
        np.array([summary(space, arch, 1.0).figures() for arch in archs])
        for summary in (Around.summary_at, ScaledSpace.summary_at)
    )
    assert np.allclose(seen[0], real[0])
    reach = [n for n, figure in enumerate(FIGURES) if figure.endswith("reach")]
    differs = [n for n in range(len(FIGURES)) if real[:, n].std() > 1e-9 and n not in reach]
    correlations = [np.corrcoef(seen[:, n], real[:, n])[0, 1] for n in differs]
    assert min(correlations) > 0.97, dict(zip([FIGURES[n] for n in differs], correlations, strict=True))
