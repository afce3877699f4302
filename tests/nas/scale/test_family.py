"""Networks of any size: by phi, within limits, as what a person can type and a file."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.baselines import build, find
from nas.network import Designed, Found, Scaled
from nas.references.resolve import resolve
from nas.scale.family import (
    MOST,
    Base,
    Limit,
    base_of,
    by_formula,
    choose_compound,
    macs_within,
    member,
    memory,
    memory_within,
    parse_phi,
    published,
    seconds,
    seconds_within,
    solve,
    write_untrained,
)
from scaling.compound import PAPER, Compound, measured
from searchspaces import SPACES, Space, get_space
from searchspaces.cost import cost, shapes_only

B0 = base_of("efficientnet_b0", Path("runs"))
RESNET = base_of("resnet20", Path("runs"))
REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "complexity.json"


# ------------------------------------------------------------------ by phi


@pytest.mark.parametrize("phi", range(8))
def test_whole_phi_of_b0_are_the_published_networks(phi: int) -> None:
    found = member(B0, phi)
    assert (found.network.name, found.published) == (f"efficientnet_b{phi}", True)
    assert found.image_size == (224, 240, 260, 300, 380, 456, 528, 600)[phi]
    assert found.dropout == (0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)[phi]
    if REFERENCE.exists():
        known = json.loads(REFERENCE.read_text())["networks"].get(found.network.name, {})
        assert all(found.to_dict()[what] == known[what] for what in known)


def test_the_factors_say_the_published_network() -> None:
    """A person may as well type the factors of B3: all of it follows, dropout included."""
    with shapes_only():
        factors, name = (build(n, 1000, 300) for n in ("efficientnet_b0@1.2x1.4-300", "efficientnet_b3"))
    assert str(factors) == str(name) and find("efficientnet_b0@1.2x1.4-300").image_size == 300


@pytest.mark.parametrize(("phi", "own"), [(2.5, None), (8, None), (3, PAPER), (0.01, None)])
def test_all_else_is_the_formula(phi: float, own: Compound | None) -> None:
    found = member(B0, phi, own)
    assert not found.published and found.at == PAPER.at(phi)
    assert found.network.name == f"efficientnet_b0@{found.at.width:g}x{found.at.depth:g}-{found.image_size}"


def test_published_are_only_a_familys_own_sizes() -> None:
    assert published(base_of("efficientnet_b0", Path("runs"), image_size=32), 1) is None
    assert published(base_of("efficientnet_b1", Path("runs")), 1) is None and published(RESNET, 1) is None
    lite = published(base_of("efficientnet_lite0+tf", Path("runs")), 4)
    assert lite and lite.network.name == "efficientnet_lite4+tf" and lite.image_size == 300
    assert published(base_of("efficientnet_lite0", Path("runs")), 5) is None


def test_phi_0_is_the_base() -> None:
    assert by_formula(RESNET, 0).network == Designed("resnet20") and member(B0, 0).network.name == "efficientnet_b0"


def test_a_scaled_network_scales_further() -> None:
    twice = base_of("resnet20@0.5x2-40", Path("runs"))
    assert twice.image_size == 40 and twice.scaled(1.5, 1.5, 48).name == "resnet20@0.75x3-48"


@pytest.mark.parametrize(("text", "phis"), [("3", [3.0]), ("2.5", [2.5]), ("0..3", [0.0, 1.0, 2.0, 3.0])])
def test_phi_is_read(text: str, phis: list[float]) -> None:
    assert parse_phi(text) == phis


@pytest.mark.parametrize("text", ["x", "", "-1", "21", "nan", "3..1", "0..2.5", "1..", "..3", "0..21"])
def test_what_is_no_phi_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--phi"):
        parse_phi(text)


def test_coefficients_go_together() -> None:
    assert choose_compound(None, None, None, None) is None
    assert (
        choose_compound(1.3, 1.0, 1.2, None) == choose_compound(None, None, None, "1.3,1,1.2") == Compound(1.3, 1, 1.2)
    )
    for given in (
        (1.2, None, 1.1, None),
        (1.2, 1.1, 1.1, "1,1,1"),
        (None, None, None, "1,2"),
        (None, None, None, "a,b,c"),
    ):
        with pytest.raises(ValueError, match=r"--compound|--alpha"):
            choose_compound(*given)


# ------------------------------------------------------------------ which networks grow


GROW = [
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet20",
    "resnet50",
    "plain18",
    "wrn16-8",
    "densenet_bc_100_12",
    "mnasnet_a1",
]
GROW += ["shufflenet_v2_x1_0", "resnext50_32x4d", "se_resnet50", "preact_resnet110", "nasnet_a_cifar", "resnest50"]
GROW += [
    "stochastic_depth_resnet110",
    "efficientnet_lite0",
    "preact_resnet18",
    "resnext29_8x64d",
    "mobilenet_v1@0.5-160",
]


@pytest.mark.parametrize("name", GROW)
def test_width_and_depth_each_add_to_a_baseline(name: str) -> None:
    base = base_of(name, Path("runs"), 10, 32)
    plain, wider, deeper = (cost(_shapes(base, width, depth), 32) for width, depth in ((1, 1), (1.5, 1), (1, 2)))
    with shapes_only():
        assert plain == cost(build(name, 10, 32), 32)
    assert 1.4 < wider.macs / plain.macs < 2.6 and wider.params > plain.params
    # Dense layers read all those before them, and cost the more the more there are
    assert 1.4 < deeper.macs / plain.macs < (3.5 if "densenet" in name else 2.6) and deeper.params > plain.params


def _shapes(base: Base, width: float, depth: float) -> torch.nn.Module:
    with shapes_only():
        return base.scaled(width, depth, base.image_size).build(10, base.image_size)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg16", "vgg16 does not scale: it has no width multiplier"),
        ("squeezenet1_1", "does not scale: it has no layers"),
        ("vit_b_16", "does not scale"),
        ("nothing", "is no network"),
    ],
)
def test_others_say_so(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        base_of(name, Path("runs"))


@pytest.mark.parametrize("settings", [{}, {"max_macs": 3_000_000}], ids=["width", "max_macs"])
@pytest.mark.parametrize("name", SPACES)
def test_found_networks_grow_and_are_read_again(name: str, settings: dict[str, int], tmp_path: Path) -> None:
    space = get_space(name, **settings)
    found = Found(space, space.sample(random.Random(1)))
    base = Base(found, 10, 32)
    with shapes_only():
        assert str(space.scaled(found.arch, 1, 1, 10, 32)) == str(found.build(10, 32))
    macs = [measured(base, PAPER.at(phi), 10).macs for phi in (0, 0.5, 1, 2, 3)]
    assert macs == sorted(macs) and macs[-1] > 3 * macs[0]
    grown = base.scaled(1.1, 1.25, 36)
    assert isinstance(grown, Scaled) and resolve(grown.text, tmp_path) == grown
    (tmp_path / "grown.json").write_text(grown.to_json())
    again = resolve(str(tmp_path / "grown.json"), tmp_path)
    assert again == grown
    with shapes_only():
        assert str(again.build(10, 36)) == str(grown.build(10, 36))


def test_a_space_that_says_nothing_does_not_grow() -> None:
    class Fixed(type(get_space("chain"))):  # type: ignore[misc]
        name = "fixed"
        scaled = Space.scaled

    space = Fixed()
    with pytest.raises(ValueError, match="networks of the space fixed do not scale"):
        Base(Found(space, space.sample(random.Random(0))), 10, 32).scaled(1.1, 1.1, 36).build(10, 36)


def test_small_images_do_not_become_large_ones() -> None:
    """Above 64 pixels networks begin with strides: there a larger one would cost less."""
    small = base_of("mobilenet_v2", Path("runs"), 10, 32)
    with pytest.raises(ValueError, match="another form"):
        small.scaled(1.1, 1.2, 70)
    assert RESNET.scaled(1.1, 1.2, 70).name == "resnet20@1.1x1.2-70", "CIFAR's has one form"


# ------------------------------------------------------------------ within limits


def test_the_largest_within_multiply_adds() -> None:
    found, ended = solve(RESNET, [macs_within(2e8)])
    assert found.cost.macs <= 2e8 < by_formula(RESNET, found.phi + 0.01).cost.macs
    assert ended.startswith(f"at phi {found.phi + 0.01:g} resnet20@") and "MACs" in ended


def test_the_tightest_limit_counts() -> None:
    loose, _ = solve(RESNET, [macs_within(2e8)])
    room = memory(by_formula(RESNET, 1.0), 16)
    both, ended = solve(RESNET, [macs_within(2e8), memory_within(room, 16)])
    assert memory(both, 16) <= room and 1.0 <= both.phi < loose.phi and "to train 16 images at once" in ended
    assert solve(RESNET, [memory_within(memory(RESNET_AT_1), None)])[0].phi >= 1.0


RESNET_AT_1 = by_formula(RESNET, 1.0)


def test_ones_own_coefficients_grow_one_dimension() -> None:
    found, _ = solve(RESNET, [macs_within(1e8)], Compound(1, 2, 1))
    assert found.at.depth == found.at.resolution == 1 and found.at.width > 1.2


def test_a_base_that_is_too_large_is_said() -> None:
    with pytest.raises(ValueError, match=r"even phi 0 does not fit: resnet20 has 40.6M MACs; take a smaller --base"):
        solve(RESNET, [macs_within(1e6)])


def test_growth_ends_where_the_form_changes() -> None:
    found, ended = solve(base_of("mobilenet_v2@0.1", Path("runs"), 10, 48), [macs_within(1e12)])
    assert found.image_size == 64 and "another form" in ended


def test_there_is_a_largest_phi() -> None:
    found, ended = solve(RESNET, [Limit(1.0, lambda m: 0.0, str)], Compound(1, 1, 1))
    assert found.phi == MOST and ended == "phi 20 is the largest"


def test_time_is_measured_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < seconds(by_formula(RESNET, 0), "cpu") < 10
    monkeypatch.setattr(
        "nas.scale.family.latency", lambda module, *args, repeats, channels: sum(p.numel() for p in module.parameters())
    )
    found, ended = solve(RESNET, [seconds_within(400_000, "cpu")])
    assert found.cost.params <= 400_000 and "an image on cpu" in ended


def test_more_memory_than_there_is_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.scale.family.memory_of", lambda device: 1_000_000)
    with pytest.raises(
        ValueError, match=r"resnet20, at phi 0, needs 1.42 MB of memory for one image, and cpu has 1 MB"
    ):
        seconds(by_formula(RESNET, 0), "cpu")


# ------------------------------------------------------------------ what is written


def test_what_is_written_is_the_network(tmp_path: Path) -> None:
    found = by_formula(base_of("resnet8@0.25", Path("runs")), 1.0)
    paths = write_untrained(tmp_path, found)
    assert [path.name for path in paths] == ["architecture.json", "weights.safetensors", "network.py"]
    network = resolve(str(paths[0]), tmp_path)
    assert network == found.network and json.loads(paths[0].read_text())["image_size"] == found.image_size
    ours = network.build(10, found.image_size)
    ours.load_state_dict(load_file(paths[1]))
    check = [sys.executable, "-I", str(paths[2]), "--weights", str(paths[1])]
    assert "all finite" in subprocess.run(check, capture_output=True, text=True, check=True).stdout
