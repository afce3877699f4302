"""An architecture's text is one, whatever its options are; settings give an equal space."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from torch import nn

from searchspaces import Arch, Choice, Mnas, Space, get_space
from searchspaces.testing import SpaceContract

ODD = (
    ("conv_3x3", "max,pool"),
    ("", "_", "__", ",", " ", "  ", "%", "%2C", "%%2C", "%5F", "a%"),
    ("a b", " a", "a ", "\t", "a\nb", "\n", "\u00a0", "\u200b"),
    ("x.json", "x%2Ejson", ".json", "x.json ", "@1.1x1.2-36", "a@1x1-3", "1x1-3"),
    ("café", "cafe\u0301", "日本", "\ud800", "ß", "İ"),
    (0.1, 1, 2.0, -3, 1e-30, 1e300, False),
    ("a:b", "k=v", '"', "'", "[", "{}", "#", "\\", "|", "RUN:best"),
)


@dataclass(frozen=True)
class Words(Space):
    """Choices of any options: the first two and the next two in a group, the others alone."""

    each: tuple[tuple[Any, ...], ...] = ODD
    name: ClassVar[str] = "words"

    @property
    def choices(self) -> tuple[Choice, ...]:
        groups = ("one.", "one.", "two.", "two.", *(f"g{i}." for i in range(len(self.each))))
        return tuple(
            Choice(f"{group}c{i}", tuple(values), tag="k" if i % 3 == 2 else "")
            for i, (group, values) in enumerate(zip(groups, self.each, strict=False))
        )

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError


def held(space: Space, archs: list[Arch]) -> None:
    texts = {}
    for arch in archs:
        text = space.format(arch)
        assert space.parse(text) == arch and space.parse(f" {text}\n") == arch
        assert space.from_options(json.loads(json.dumps(space.options(arch)))) == arch
        assert texts.setdefault(text, arch) == arch
        assert text.isprintable() and not text.endswith(".json")
        assert space.short_id(arch)


def test_options_of_any_kind_round_trip() -> None:
    space, rng = Words(), random.Random(0)
    held(space, [space.sample(rng) for _ in range(500)])


def test_random_options_round_trip() -> None:
    alphabet = "ab1_,%2C5F:@=x.- \t\n\u00e9\u0301\ud83djson/"
    rng = random.Random(0)
    for _ in range(200):
        options = tuple(
            tuple(dict.fromkeys("".join(rng.choices(alphabet, k=rng.randint(0, 5))) for _ in range(6)))
            for _ in range(rng.randint(1, 6))
        )
        space = Words(options)
        held(space, [space.sample(rng) for _ in range(20)])


def test_texts_are_escaped_where_that_is_needed_alone() -> None:
    space = Words((("conv_3x3", "b"), ("max,pool", "50%"), ("a b", "c"), (3, 5), ("conv_3x3", "a:b@=c")))
    assert space.format((0, 0, 0, 0, 0)) == "conv%5F3x3_max%2Cpool,ka b_3,conv_3x3"
    assert space.format((1, 1, 1, 1, 1)) == "b_50%,kc_5,a:b@=c"
    with pytest.raises(ValueError, match=r"'max,pool'|expected 3 parts"):
        space.parse("b_max,pool,ka b_3,conv_3x3")
    mnas = Mnas()
    assert "%" not in mnas.format(mnas.sample(random.Random(0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((1, 1.0), "must be distinct"),
        ((1, True), "must be distinct"),
        (("1", 1), "must be distinct"),
        (("a", "a"), "must be distinct"),
        ((), "at least one"),
        ((float("nan"), 1.0), "words and numbers, not nan"),
        (((3, 3), (5, 5)), r"words and numbers, not \(3, 3\)"),
        (([3], "a"), r"words and numbers, not \[3\]"),
    ],
)
def test_options_that_no_ledger_could_tell_apart_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"choice op: .*{message}"):
        Choice("op", options)


@dataclass(frozen=True)
class Set(Space):
    """Settings of all sorts."""

    needed: int
    words: tuple[str, ...] = ("a", "b")
    word: str = "x"
    perhaps: int | None = 5
    nothing: int | None = None
    flag: bool = True
    many: tuple[int, ...] = field(default_factory=tuple)
    derived: int = field(init=False, default=7)
    name: ClassVar[str] = "set"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice("op", self.words),)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return nn.Flatten()


SETTINGS: list[dict[str, Any]] = [
    {},
    {"words": ("a,b", "c:d", "[e]", "@", '"', "f g")},
    {"word": "true"},
    {"word": "8M"},
    {"word": "a:b,c=d"},
    {"perhaps": None, "nothing": 3, "flag": False, "many": (1, 2)},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_give_an_equal_space(settings: dict[str, Any]) -> None:
    space = Set(1, **settings)
    again = get_space(space.reference, **json.loads(json.dumps(space.settings())))
    assert again == space and hash(again) == hash(space)
    assert get_space(space.reference, **json.loads(json.dumps(space.changed_settings()))) == space


def test_a_setting_without_a_default_is_asked_for() -> None:
    with pytest.raises(ValueError, match="missing 1 required positional argument: 'needed'"):
        get_space(Set(1).reference)


@dataclass(frozen=True)
class Spelled(Space):
    """A space of one's own as the contract wants it, with words that architectures' texts part with."""

    name: ClassVar[str] = "spelled"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("first", ("conv_3x3", "max,pool")), Choice("second", ("a_b", "c, d", "%5F"))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        c = 4 + 2 * arch[0] + 6 * arch[1]
        return nn.Sequential(nn.Conv2d(3, c, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, num_classes))


class TestSpelled(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return Spelled()
