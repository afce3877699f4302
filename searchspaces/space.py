"""What a search space is: an ordered tuple of choices, declared once.

An architecture (`Arch`) is a tuple of option indices, one a choice, so it is hashable, JSON, and a
ledger key. The RNN controller, evolution, Optuna's samplers and the table benchmarks all read the
same declaration; sampling, neighbours, text and JSON live here, so a space itself only says what its
choices are, how an architecture is built, and which architectures build the same network.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from operator import lt
from typing import Any, ClassVar, Protocol

from torch import nn

from searchspaces.cost import shapes_only
from searchspaces.flow import traced
from searchspaces.graph import Graph
from searchspaces.images import image_channels
from searchspaces.summary import Summary

Option = str | int | float
Arch = tuple[int, ...]


class RandomSource(Protocol):
    """`numpy.random.Generator` and `random.Random` are both such sources."""

    def random(self) -> float: ...


@dataclasses.dataclass(frozen=True)
class Choice:
    """One decision of a space.

    `name` is unique in its space; a dot groups choices (`block3.kernel` belongs to `block3`).
    `options` are the values to choose from. `kind` names what is decided (`kernel`): choices of one
    kind may share weights in a controller. `tag` stands before the option in an architecture's text.
    `anchor` is for a choice of no or yes about an earlier thing, such as whether a layer reads another's output: the
    last choice about that thing. A controller decides it by what it knew then and what it knows now.
    `weights` are how often each option is drawn beside the others, where a person has said so; (): all alike. A space
    itself has none.
    """

    name: str
    options: tuple[Option, ...]
    kind: str = ""
    tag: str = ""
    anchor: str = ""
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for option in self.options:
            if not isinstance(option, str | int | float | None) or (isinstance(option, float) and math.isnan(option)):
                raise ValueError(f"choice {self.name}: its options are words and numbers, not {option!r}")
        if min(len(set(map(str, self.options))), len(set(self.options))) != len(self.options) or not self.options:
            raise ValueError(
                f"choice {self.name}: its options must be distinct and at least one (1, 1.0, True and '1' are one)"
            )
        if self.anchor and len(self.options) != 2:
            raise ValueError(f"choice {self.name}: with an anchor its options must be two, no and yes")
        if self.weights and (len(self.weights) != len(self.options) or min(self.weights) <= 0):
            raise ValueError(f"choice {self.name}: each of its options has a weight above 0, or none has one")
        if not self.kind:
            object.__setattr__(self, "kind", self.name.rpartition(".")[2])

    def text(self, index: int) -> str:
        return f"{self.tag}{self.options[index]}"

    def word(self, index: int, alone: bool = True) -> str:
        """`text` as it stands in an architecture's: what would be read as something else there is as in URLs, `%2C`.

        Without a choice beside it in its group, `alone`, it may have the `_` that else would part the two.
        """
        return _escaped(self.text(index), "," if alone else ",_")

    @property
    def group(self) -> str:
        return self.name.rpartition(".")[0]


def _words(choice: Choice, alone: bool) -> list[str]:
    return [choice.word(index, alone) for index in range(len(choice.options))]


_MISREAD = (
    r"%(?=[0-9A-Fa-f]{2})"  # as one of ours
    r"|^\s|\s$|[^\S ]"  # as nothing
    r"|\.(?=json$)|@(?=[\d.]+x[\d.]+-\d+$)"  # as a file of an architecture, as multipliers of one
)


@lru_cache(maxsize=1 << 12)
def _escaped(text: str, parting: str) -> str:
    """`text` with the characters of `parting`, those that are invisible and those that would be misread as `%2C`."""
    escaped = re.sub(rf"[{parting}]|{_MISREAD}", lambda match: _percent(match[0]), text)
    return "".join(c if c == " " or c.isprintable() else _percent(c) for c in escaped)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


class Space(ABC):
    """A search space: `choices`, how to `build` an architecture, and which ones are the `canonical`.

    Subclasses are frozen dataclasses whose fields are the space's settings (a width multiplier, the
    image size that it searches at): two spaces with equal settings are equal.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in the order in which a controller makes them."""

    @abstractmethod
    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        """The network of `arch`: `[B, C, image_size, image_size]` -> logits `[B, num_classes]`.

        `image_size` defaults to the size that the space searches at. C is `searchspaces.images.image_channels()`, 3
        unless whoever builds says otherwise: what `searchspaces.layers.network` makes of rows takes so many.
        """

    def canonical(self, arch: Arch) -> Arch:
        """The one architecture that stands for all that build the same network as `arch`."""
        return self.check(arch)

    def fixed(self, number: int) -> dict[str, Option]:
        """What trial `number` of a search (0, 1, ...) is given rather than chooses, by choices' names; nothing here.

        With it a search may begin in a part of the space, as one whose networks get deeper does.
        """
        return {}

    def scaled(
        self, arch: Arch, width: float, depth: float, num_classes: int = 10, image_size: int | None = None
    ) -> nn.Module:
        """The network of `arch` with `width` times its channels and `depth` times its layers.

        Raises ValueError where the space does not say what these are, as by default.
        """
        raise ValueError(f"networks of the space {self.name} do not scale: it says nothing of their width and depth")

    def simplified(self, arch: Arch) -> Arch:
        """As `canonical`, for who asks of hundreds at a time: quicker where that is slow, and it may merge fewer."""
        return self.canonical(arch)

    def graphs(self, arch: Arch) -> dict[str, Graph]:
        """What a picture of `arch` shows, by titles; where there are none, as by default, the network's rows."""
        return {}

    def summary(self, arch: Arch) -> Summary:
        """Of the network of `arch`, for images of the size that the space searches at; see `searchspaces.summary`.

        By default the network is built, as shapes alone, and its forward is followed: some ten milliseconds. Raises
        ValueError where that cannot be. A space whose networks are of parts that come again summarises these once.
        """
        with shapes_only():
            module = self.build(arch)
        return traced(module, image_channels(), getattr(self, "image_size", 32))[0]

    @property
    def quick_features(self) -> bool:
        """Whether `features` are a matter of microseconds, so that a search looks at thousands of architectures.

        By default a network is built for them, so it looks at fewer.
        """
        return False

    def features(self, arch: Arch) -> Sequence[float]:
        """What a surrogate sees of `arch` beside its choices, as many numbers for each; a space may add some.

        Of networks that are the same, the same.
        """
        figures: list[float] = self.summary(arch).figures().tolist()
        return figures

    # ------------------------------------------------------------------ what every space offers

    @property
    def size(self) -> int:
        """The number of architectures, those that build the same network counted apart."""
        total = 1
        for choice in self.choices:
            total *= len(choice.options)
        return total

    def check(self, arch: Sequence[int]) -> Arch:
        """`arch` as a tuple. Raises ValueError where it is not one of this space."""
        if len(arch) != len(self._sizes):
            raise ValueError(f"{self.name}: an architecture has {len(self._sizes)} choices, got {len(arch)}")
        if not (min(arch, default=0) >= 0 and all(map(lt, arch, self._sizes))):
            among = zip(self.choices, arch, self._sizes, strict=True)
            choice, index, size = next(one for one in among if not 0 <= one[1] < one[2])
            raise ValueError(f"{self.name}: {choice.name} has {size} options, got index {index}")
        return tuple(map(int, arch))

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """How many options each choice has."""
        return tuple(len(choice.options) for choice in self.choices)

    def sample(self, rng: RandomSource) -> Arch:
        """An architecture, each choice uniform and independent."""
        return tuple(int(rng.random() * len(choice.options)) for choice in self.choices)

    def neighbours(self, arch: Arch) -> list[Arch]:
        """The architectures one choice away from `arch` that build other networks than it and each other."""
        seen = {self.canonical(arch)}
        found = []
        for position, choice in enumerate(self.choices):
            for index in range(len(choice.options)):
                changed = (*arch[:position], index, *arch[position + 1 :])
                key = self.canonical(changed)
                if key not in seen:
                    seen.add(key)
                    found.append(changed)
        return found

    def options(self, arch: Arch) -> dict[str, Option]:
        """`{choice name: chosen value}`: what a ledger (Optuna's `params`) holds of `arch`."""
        return {c.name: c.options[i] for c, i in zip(self.choices, self.check(arch), strict=True)}

    def from_options(self, options: Mapping[str, Any]) -> Arch:
        """The inverse of `options`. Raises ValueError for a missing, unknown or impossible choice."""
        if unknown := options.keys() - {choice.name for choice in self.choices}:
            raise ValueError(f"{self.name} has no choice called {', '.join(sorted(unknown))}")
        arch = []
        for choice in self.choices:
            if choice.name not in options:
                raise ValueError(f"{self.name}: {choice.name} is missing")
            if options[choice.name] not in choice.options:
                allowed = ", ".join(map(str, choice.options))
                raise ValueError(f"{self.name}: {choice.name} is {options[choice.name]!r}; it can be {allowed}")
            arch.append(choice.options.index(options[choice.name]))
        return tuple(arch)

    def format(self, arch: Arch) -> str:
        """`arch` as text that people can read and type: groups joined by `,`, their options by `_`.

        An option that has these itself is written as in URLs: `max%2Cpool`.
        """
        return ",".join("_".join(words[arch[position]] for position, words in group) for group in self._words)

    def parse(self, text: str) -> Arch:
        """The inverse of `format`. Raises ValueError that names the part that does not fit."""
        groups = list(self._groups())
        parts = text.strip().split(",")
        if len(parts) != len(groups):
            raise ValueError(f"{self.name}: expected {len(groups)} parts joined by ',', got {len(parts)}")
        arch: list[int] = []
        for part, group in zip(parts, groups, strict=True):
            words = part.split("_") if len(group) > 1 else [part]
            if len(words) != len(group):
                raise ValueError(f"{self.name}: expected {len(group)} options joined by '_' in {part!r}")
            for word, (_, choice) in zip(words, group, strict=True):
                texts = _words(choice, len(group) == 1)
                if word not in texts:
                    raise ValueError(f"{self.name}: {word!r} in {part!r} is not a {choice.kind}: {', '.join(texts)}")
                arch.append(texts.index(word))
        return tuple(arch)

    def short_id(self, arch: Arch) -> str:
        """Eight hexadecimal digits that name the network of `arch` in this space, the same on every machine."""
        text = f"{self.name}:{json.dumps(self.settings(), sort_keys=True)}:{self.format(self.canonical(arch))}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def settings(self) -> dict[str, Any]:
        """The space's settings as JSON values: `get_space(name, **settings)` gives an equal space.

        Those that are None, as by default, are left out.
        """
        values: dict[str, Any] = dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
        left_out = {f.name for f in self._fields() if not f.init or (f.default is None and values[f.name] is None)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name not in left_out
        }

    def changed_settings(self) -> dict[str, Any]:
        """Those of `settings` that are not as by default."""
        as_by_default = {f.name for f in self._fields() if getattr(self, f.name) == f.default}
        return {name: value for name, value in self.settings().items() if name not in as_by_default}

    @property
    def title(self) -> str:
        """What it is called where it is said what will be done."""
        return self.name

    @property
    def reference(self) -> str:
        """By what `get_space` finds it, on this machine or another: a name, or `mypackage.module:MySpace`."""
        kind = type(self)
        return self.name if kind.__module__.startswith("searchspaces.") else f"{kind.__module__}:{kind.__qualname__}"

    def to_json(self, arch: Arch) -> str:
        """`arch` with its space's name and settings: enough to `build` it elsewhere, for any classes and image size."""
        document = {"space": self.reference, "settings": self.settings(), "architecture": self.format(arch)}
        return json.dumps(document | {"options": self.options(arch)}, indent=2)

    def from_json(self, text: str) -> Arch:
        """The inverse of `to_json`. Raises ValueError where `text` is not of this space."""
        document = json.loads(text)
        if document.get("space") != self.reference:
            raise ValueError(f"this architecture is of the space {document.get('space')!r}, not {self.reference!r}")
        return self.from_options(document["options"])

    def _fields(self) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()

    @cached_property
    def _words(self) -> list[list[tuple[int, list[str]]]]:
        """The words of every option, by the choice's position, in groups: written once, for ledgers are long."""
        return [[(position, _words(choice, len(group) == 1)) for position, choice in group] for group in self._groups()]

    def _groups(self) -> Iterator[list[tuple[int, Choice]]]:
        group: list[tuple[int, Choice]] = []
        for position, choice in enumerate(self.choices):
            if group and choice.group != group[-1][1].group:
                yield group
                group = []
            group.append((position, choice))
        yield group
