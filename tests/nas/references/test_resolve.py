"""Networks by their names: what an architecture's text says builds the same network."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from torch import nn

from nas.network import Found, Scaled
from nas.references.resolve import resolve
from nas.text.settings import parse_settings
from searchspaces import Arch, Choice, Space, get_space
from searchspaces.cost import shapes_only


@pytest.mark.parametrize(
    ("space", "prefix"),
    [
        (get_space("mnas"), "mnas:"),
        (get_space("mnas", width=0.25), "mnas@0.25:"),
        (get_space("compact", max_macs=8_000_000), "compact@max_macs=8M:"),
        (get_space("compact", max_macs=8_123_456), "compact@max_macs=8123456:"),
        (
            get_space("mnas", image_size=16, max_macs=2_500_000, num_classes=100),
            "mnas@image_size=16,max_macs=2.5M,num_classes=100:",
        ),
        (get_space("mnas", image_size=16), "mnas:"),  # which decides nothing of what is built for other images
    ],
    ids=str,
)
def test_text_says_what_decides_the_network(space: Space, prefix: str) -> None:
    found = Found(space, space.sample(random.Random(0)))
    assert found.text.startswith(prefix + found.space.format(found.arch)[:3])
    again = resolve(found.text, Path("runs"))
    assert isinstance(again, Found) and again.arch == found.arch and again.text == found.text
    with shapes_only():
        assert str(again.build(10, 32)) == str(found.build(10, 32))


def test_an_architecture_s_file_may_have_a_mark_and_its_damage_is_named(tmp_path: Path) -> None:
    space = get_space("mnas")
    whole, file = space.to_json(space.sample(random.Random(0))), tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf" + whole.encode())
    assert isinstance(resolve(str(file), tmp_path), Found)
    for damaged, said in (
        (whole[:-40], r"a.json is damaged in line \d\d+: no JSON"),
        (whole.replace(chr(10), chr(10) + chr(0), 1), "a.json is damaged in line 2: it has NUL bytes"),
        ("[]", "it has a list where an object should be"),
        ('{"baseline": 5}', "a.json is damaged: baseline must be a text, not 5"),
        ('{"space": "mnas"}', "a.json is not an architecture that nas wrote: it has no settings"),
    ):
        file.write_text(damaged, encoding="utf-8")
        with pytest.raises(ValueError, match=said):
            resolve(str(file), tmp_path)


def test_settings_that_are_words_flags_and_lists_round_trip() -> None:
    assert parse_settings("0.25,stem=imagenet,skips=false,strides=[1,2],max_macs=8M") == {
        "width": 0.25,
        "stem": "imagenet",
        "skips": False,
        "strides": [1, 2],
        "max_macs": 8_000_000,
    }


@dataclass(frozen=True)
class Worded(Space):
    """Options and settings that have what parts a target's text."""

    word: str = "x"
    words: tuple[str, ...] = ()
    perhaps: int | None = 5
    name: ClassVar[str] = "worded"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"{group}c{i}", OPTIONS) for i, group in enumerate(("a.", "a.", "b.")))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError


OPTIONS = (
    "conv_3x3",
    "max,pool",
    "",
    " ",
    "a.json",
    "@1.1x1.2-36",
    "RUN:best",
    "mnas@2:x",
    "k=v",
    3,
    0.5,
    "%2C",
    "日本",
)


def test_architectures_of_any_options_and_settings_round_trip(tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = ["x", "true", "8M", "1e3", "a:b", "c,d", "k=v", "[e]", "f]", '"', "", " ", "null", "é", "a.json"]
    for _ in range(300):
        words = tuple(rng.sample(texts, 2))
        space = Worded(rng.choice(texts), rng.choice([(), words]), rng.choice([5, None, 8_000_000]))
        found = Found(space, space.sample(rng))
        for text in (found.text, f"{found.text}@1.1x1.2-36"):
            again = resolve(text, tmp_path)
            assert again == (found if text == found.text else Scaled(found, 1.1, 1.2, 36))
        file = tmp_path / "architecture.json"
        file.write_text(found.to_json(), encoding="utf-8")
        assert resolve(str(file), tmp_path) == found
