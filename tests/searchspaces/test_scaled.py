"""Widths: one for all, or each architecture's own under a limit."""

from __future__ import annotations

import random
import statistics
from functools import partial
from itertools import combinations

import pytest

import searchspaces.scaled as scaled_spaces
from searchspaces import Arch, get_space
from searchspaces.cost import cost, shapes_only
from searchspaces.parts import parts_of
from searchspaces.scaled import RowSpace, ScaledSpace, footprint_of, last_within, macs_of


def scaled(name: str, max_macs: int = 3_000_000) -> ScaledSpace:
    space = get_space(name, image_size=16, max_macs=max_macs)
    assert isinstance(space, ScaledSpace)
    return space


def structure(space: ScaledSpace, arch: Arch) -> str:
    with shapes_only():
        return str(space.build(arch))


@pytest.mark.parametrize("name", ["chain", "compact", "mnas", "nasnet"])
def test_no_wider_network_is_within_the_limit(name: str) -> None:
    space, rng = scaled(name), random.Random(0)
    for arch in (space.sample(rng) for _ in range(3)):
        step = space.step_of(arch)
        macs = [space.costs_at(arch, space.width_at(s))["macs"] for s in (step, step + 1)]
        assert macs[0] <= 3_000_000 < macs[1]
        with shapes_only():
            assert cost(space.build(arch), 16).macs == macs[0]


@pytest.mark.parametrize("name", ["compact", "mnas"])
def test_canonical_is_exact_where_every_architecture_has_its_own_width(name: str) -> None:
    space = scaled(name, 200_000)  # narrow, so that channels often round to the same
    arch = space.sample(random.Random(2))
    key = space.canonical(arch)
    assert space.canonical(key) == key and structure(space, key) == structure(space, arch)
    for position, choice in list(enumerate(space.choices))[4::7]:
        changed = [(*arch[:position], i, *arch[position + 1 :]) for i in range(len(choice.options))]
        for one, other in combinations(changed, 2):
            same = structure(space, one) == structure(space, other)
            assert same == (space.canonical(one) == space.canonical(other)), (choice.name, one, other)


def test_a_layer_is_costed_as_the_network_that_it_is_in() -> None:
    space = scaled("compact")
    assert isinstance(space, RowSpace)
    arch = space.sample(random.Random(0))
    by_rows = macs_of(space.rows(arch, 0.5, 10, 16), 16)
    assert by_rows == space.costs_at(arch, 0.5, ("macs",))["macs"]
    assert space.costs_at(arch, 0.5) == ScaledSpace.costs_at(space, arch, 0.5)


@pytest.mark.parametrize("limit", [0, 5, 100, 5_000, 123_456, 10**9])
@pytest.mark.parametrize(("a", "b", "plateau"), [(1, 0, 1), (3, 50, 1), (2, 9, 7), (0, 7, 1), (0, 7, 40)])
def test_the_limit_is_found_by_few_looks(limit: int, a: int, b: int, plateau: int) -> None:
    """In a quadratic, a straight line, and both in stairs."""
    looks = []

    def macs_at(step: int) -> int:
        looks.append(step)
        w = step // plateau * plateau + 1
        return a * w * w + b * w

    steps = range(1, 2001)
    found = last_within(limit, steps, 256, macs_at)
    count = len(looks)
    assert found == max([step for step in steps if macs_at(step) <= limit], default=1)
    assert len(set(looks[:count])) == count <= 6 + 10 * (plateau > 1)


def test_the_width_does_not_depend_on_what_is_built_but_on_the_settings() -> None:
    space = get_space("compact", max_macs=8_000_000)
    arch = space.sample(random.Random(0))
    with shapes_only():
        small, large = (space.build(arch, classes, size) for classes, size in ((10, 32), (100, 48)))
    shapes = [[tuple(p.shape) for p in network.parameters()][:-2] for network in (small, large)]
    assert shapes[0] == shapes[1]


def test_more_classes_leave_less_for_the_rest() -> None:
    few, many = (get_space("mnas", max_macs=8_000_000, num_classes=n) for n in (10, 5000))
    arch = few.sample(random.Random(0))
    with shapes_only():
        assert cost(many.build(arch, 5000), 32).macs <= 8_000_000 < cost(few.build(arch, 5000), 32).macs


def test_a_limit_below_the_narrowest_gives_the_narrowest() -> None:
    space = scaled("compact", 1)
    arch = space.sample(random.Random(0))
    assert space.step_of(arch) == space.steps[0]
    assert space.canonical(space.canonical(arch)) == space.canonical(arch)


LIMITS = {"max_macs": 3_000_000, "max_params": 40_000, "max_activations": 60_000, "max_flash": 90_000}


@pytest.mark.parametrize("limits", [LIMITS | {"max_memory": 24_000}, {"max_memory": 30_000}, {"max_flash": 60_000}])
@pytest.mark.parametrize("name", ["chain", "compact", "mnas", "nasnet"])
def test_each_architecture_is_as_wide_as_all_limits_allow(name: str, limits: dict[str, int]) -> None:
    space, rng = get_space(name, image_size=16, **limits), random.Random(0)
    assert isinstance(space, ScaledSpace) and space.limited and space.settings().items() >= limits.items()
    for arch in (space.sample(rng) for _ in range(2)):
        step = space.step_of(arch)
        here, wider = (space.costs_at(arch, space.width_at(s), space.limits) for s in (step, step + 1))
        assert step == 1 or all(here[cost] <= limit for cost, limit in space.limits.items())
        assert any(wider[cost] > limit for cost, limit in space.limits.items())


def test_a_looser_limit_beside_another_changes_no_width() -> None:
    one, both = scaled("compact"), get_space("compact", image_size=16, max_macs=3_000_000, max_memory=10**9)
    assert isinstance(both, ScaledSpace)
    arch = one.sample(random.Random(0))
    assert one.step_of(arch) == both.step_of(arch) and one.simplified(arch) == both.simplified(arch)
    assert (one.summary(arch).figures() == both.summary(arch).figures()).all()


def test_limits_are_said_in_the_order_of_the_settings() -> None:
    space = get_space("compact", max_memory=64_000, max_macs=8_000_000)
    assert isinstance(space, ScaledSpace)
    assert space.changed_settings() == {"max_macs": 8_000_000, "max_memory": 64_000}
    assert space.limits == {"macs": 8_000_000, "memory": 64_000} and not get_space("compact").limited  # type: ignore[attr-defined]


@pytest.mark.parametrize("limits", [{"max_memory": 20_000}, {"max_flash": 20_000, "max_memory": 60_000}])
@pytest.mark.parametrize("name", ["chain", "compact", "mnas"])
def test_canonical_builds_the_same_network_within_bytes(name: str, limits: dict[str, int]) -> None:
    space, rng = get_space(name, image_size=16, **limits), random.Random(3)
    assert isinstance(space, ScaledSpace)
    for arch in (space.sample(rng) for _ in range(3)):
        key = space.canonical(arch)
        assert space.canonical(key) == key and structure(space, key) == structure(space, arch)


def test_widths_within_memory_are_found_by_few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    space, rng, looks = get_space("compact", max_memory=64_000), random.Random(5), []
    assert isinstance(space, RowSpace)
    monkeypatch.setattr(scaled_spaces, "footprint_of", lambda *args: (looks.append(args), footprint_of(*args))[1])
    for arch in (space.sample(rng) for _ in range(8)):
        space.step_of(arch)
    assert len(looks) <= 8 * 13  # of multiply-adds six; one layer decides alone, and its channels go in steps


# ---------------------------------------------------------------------------- what is predicted


class Device:
    """Predicts that uneven numbers of channels are twice as slow."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, space: ScaledSpace, arch: Arch, width: float) -> float:
        self.asked.append(width)
        kernels = [k for built in parts_of(space, arch, 10, 16, width=width) for k in built.part.kernels]
        return sum(2e-6 + k.macs * 1e-10 * (2 if k.c_in % 4 or k.c_out % 4 else 1) for k in kernels)


def predicted(name: str, seconds: float = 1e-4, **limits: int) -> ScaledSpace:
    space = get_space(name, image_size=16, max_latency=seconds, **limits)
    assert isinstance(space, ScaledSpace)
    return space.predicted_by(Device())


@pytest.mark.parametrize("name", ["chain", "compact", "mnas", "nasnet"])
def test_each_architecture_is_as_wide_as_predicted_latency_allows(name: str) -> None:
    space, rng = predicted(name, 4e-4), random.Random(0)
    for arch in (space.sample(rng) for _ in range(3)):
        step = space.step_of(arch)
        bordering = last_within(4e-4, space.steps, 256, partial(scaled_spaces._cost_at, space, arch, "latency"))
        here, wider = (space.latency_at(arch, space.width_at(s)) for s in (step, bordering + 1))
        assert here <= 4e-4 < wider
        assert bordering <= step <= bordering * scaled_spaces.FURTHER + 1


@pytest.mark.parametrize("limits", [{"max_macs": 400_000}, {"max_memory": 20_000, "max_params": 9_000}])
def test_latency_beside_other_limits(limits: dict[str, int]) -> None:
    space, without, rng = (
        predicted("compact", **limits),
        get_space("compact", image_size=16, **limits),
        random.Random(1),
    )
    assert isinstance(without, ScaledSpace)
    kept = 0
    for arch in (space.sample(rng) for _ in range(8)):
        step = space.step_of(arch)
        width = space.width_at(step)
        costs = space.costs_at(arch, width) | {"latency": space.latency_at(arch, width)}
        assert step == 1 or all(costs[name] <= limit for name, limit in space.limits.items())
        assert step <= without.step_of(arch)
        kept += step == without.step_of(arch)
    assert 0 < kept < 8


def test_beyond_what_is_too_slow_are_looks_for_what_is_not() -> None:
    """Where channels fill blocks again it may be faster; few networks more are asked for that."""
    found, rng = [], random.Random(2)
    for arch in (predicted("compact").sample(rng) for _ in range(10)):
        space = predicted("compact")
        step = space.step_of(arch)
        device = space._predicts
        assert isinstance(device, Device) and len(device.asked) <= 15 + 10 + scaled_spaces.AHEAD
        found.append(any(space.latency_at(arch, space.width_at(s)) > 1e-4 for s in range(max(1, step - 40), step)))
    assert any(found)


@pytest.mark.parametrize(
    ("name", "limits"),
    [(name, {}) for name in ("chain", "compact", "mnas", "nasnet")] + [("compact", {"max_memory": 20_000})],
)
def test_without_its_table_the_same_network_is_built(name: str, limits: dict[str, int]) -> None:
    space, rng = predicted(name, 4e-4, **limits), random.Random(3)
    for arch in (space.sample(rng) for _ in range(3)):
        key, alone = space.canonical(arch), space.alone(arch)
        costs = [space.costs_at(one, space.width_of(one)) for one in (key, arch)]
        assert space.canonical(key) == key and costs[0] == costs[1]
        assert [*alone.limits] == ["macs"] and structure(alone, arch) == structure(space, arch)
        assert alone.short_id(arch) == space.short_id(arch) and alone.alone(arch) is alone
        assert get_space(name, **alone.settings()) == alone


def test_what_predicts_is_no_setting() -> None:
    space = predicted("compact")
    declared = get_space("compact", image_size=16, max_latency=1e-4)
    assert space == declared and hash(space) == hash(declared) and space.settings() == declared.settings()
    arch = space.sample(random.Random(0))
    assert space.step_of(arch) > 0
    for asked in (declared.build, declared.canonical, declared.short_id, declared.summary):
        with pytest.raises(ValueError, match=r"max_latency is of predicted latency.* give --latency-table"):
            asked(arch)
    assert declared.simplified(arch) == space.simplified(arch)  # at any width


def test_equal_spaces_that_are_predicted_otherwise_have_other_widths() -> None:
    fast, slow = predicted("compact"), predicted("compact")
    slower = slow.predicted_by(lambda space, arch, width: 3 * Device()(space, arch, width))
    arch = fast.sample(random.Random(1))
    assert fast == slower and slower.step_of(arch) < fast.step_of(arch)


def test_what_a_surrogate_sees_is_about_as_wide() -> None:
    space, rng = predicted("compact", 3e-4), random.Random(4)
    ratios = []
    for arch in (space.sample(rng) for _ in range(20)):
        macs = space.costs_at(arch, space.width_of(arch), ("macs",))["macs"]
        ratios.append(space.summary(arch).sums[0] / macs)
    assert 0.5 < statistics.median(ratios) < 2


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="max_memory decides the width: give no width with it"):
        get_space("mnas", width=0.5, max_memory=64_000)
    with pytest.raises(ValueError, match="max_flash must be 1 to"):
        get_space("compact", max_flash=0)
    with pytest.raises(ValueError, match="give no width with it"):
        get_space("mnas", width=0.5, max_macs=8_000_000)
    with pytest.raises(ValueError, match="max_macs must be 1 to"):
        get_space("compact", max_macs=0)
    with pytest.raises(ValueError, match="goes with max_macs"):
        get_space("compact", num_classes=10)
