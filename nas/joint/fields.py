"""Which fields of a recipe a search may choose, from which options, and how a person writes that.

    --also lr,resolution                        with the usual options around the recipe's own
    --also lr=0.01/0.05/0.2,resolution=24/32    with these

What one trial has of them stands behind its network's text, `mnas:...+lr=0.05,resolution=24`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nas.checks.limits import Flag, Word, quoted
from nas.checks.schemas import RECIPE_FIELDS, SIDE
from nas.text.units import parse_names
from nas.training.recipe import Recipe
from searchspaces import Choice
from searchspaces.space import Option

GROUP = "recipe"  # of the choices: `recipe.lr`
AUGMENT, RESOLUTION = "augment", "resolution"

OPTIMISING = ("lr", "weight_decay", "batch_size", "optimizer", "schedule", "warmup", "momentum")
"""After these the loss of a training is still that of the same images and labels."""

LEVELS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "cutout": {"cutout": 0.25},  # of an image's side
    "trivialaugment": {"policy": "trivialaugment"},
    "randaugment": {"policy": "randaugment"},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
}
"""The options of `augment`: what each has of the fields that any of them has, which else are off. Shifts and mirror
images stay as they are."""
USUAL_LEVELS = ("plain", "cutout", "trivialaugment", "mixup")
MIXED = tuple(dict.fromkeys(name for level in LEVELS.values() for name in level))

CHANGING = (
    AUGMENT, RESOLUTION, "label_smoothing", *MIXED, "min_area", "flip", "vertical_flip", "quarter_turns", "rotation",
    "color_jitter", "progressive", "ema",
)  # fmt: skip
FIELDS = (*OPTIMISING, *CHANGING)
"""All that can be chosen."""
HELD = {
    **dict.fromkeys(("epochs", "seconds", "subset"), "of two trials the longer one would win: it is the same for all"),
    **dict.fromkeys(("metric", "class_weights", "select"), "by it all trials are judged alike"),
    "bf16": "it is the device's",
    "image_size": f"it is called {RESOLUTION} here",
    **dict.fromkeys(("distill", "distill_temperature"), "no trial has a teacher"),
}
"""Why the others of a recipe cannot."""


def read(asked: str | Sequence[str]) -> dict[str, tuple[Option, ...] | None]:
    """The fields that a person names, and their options; None where these are to be the usual ones.

    Raises ValueError for a field or an option that there is not.
    """
    found: dict[str, tuple[Option, ...] | None] = {}
    for part in (part for text in ([asked] if isinstance(asked, str) else asked) for part in parse_names(text)):
        name, equals, options = part.partition("=")
        if name in HELD:
            raise ValueError(f"--also cannot choose {name}: {HELD[name]}")
        if name not in FIELDS:
            raise ValueError(f"--also {quoted(name)} is no field that can be chosen: there are {', '.join(FIELDS)}")
        if name in found:
            raise ValueError(f"--also names {name} twice: leave out one of them")
        found[name] = _options(name, options) if equals else None
    if not found:
        raise ValueError("--also names no field: give some, as in --also lr,weight_decay, or leave it out")
    if AUGMENT in found and (both := [name for name in MIXED if name in found]):
        raise ValueError(f"--also {AUGMENT} chooses {both[0]}, too: leave out one of them")
    return found


def choices_of(asked: str | Sequence[str], recipe: Recipe, pixels: int) -> tuple[Choice, ...]:
    """The choices that a person asks for beside those of a network; `recipe` trains at so many `pixels` a side.

    Raises ValueError where there can be none, as of a field that has no usual options.
    """
    own = own_values(recipe, pixels)
    found = []
    for name, options in read(asked).items():
        if name == AUGMENT and own[AUGMENT] is None:
            raise ValueError(
                f"--also {AUGMENT} chooses all of {', '.join(MIXED)}, and the recipe has others than any of "
                f"{', '.join(LEVELS)}: leave these out, or choose among them, as in --also mixup=0/0.3"
            )
        given = _usual(name, own[name]) if options is None else options
        found.append(Choice(f"{GROUP}.{name}", given, tag=f"{name}="))
    for choice in found:
        for option in choice.options:
            changed(recipe, {choice.kind: option}, pixels)  # or it says what is wrong
    return tuple(found)


def own_values(recipe: Recipe, pixels: int) -> dict[str, Option | None]:
    """Of each field what `recipe` has, as an option is written; None for image changes that are no level."""
    values = {name: _written(getattr(recipe, name)) for name in FIELDS if hasattr(recipe, name)}
    has = [level for level in LEVELS if recipe == recipe.changed(_of_level(level, pixels))]
    return {**values, AUGMENT: has[0] if has else None, RESOLUTION: pixels}


def changed(recipe: Recipe, values: Mapping[str, Option], pixels: int) -> Recipe:
    """`recipe` with the `values` of fields; `pixels` a side are those of images where none of them says it.

    Raises ValueError where it cannot have them, which names the first.
    """
    if not values:
        return recipe
    pixels = int(values.get(RESOLUTION, pixels))
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name == RESOLUTION:
            changes["image_size"] = pixels
        else:
            changes |= _of_level(str(value), pixels) if name == AUGMENT else {name: value}
    try:
        return recipe.changed(changes)
    except ValueError as error:
        (name, value), *_ = values.items()
        raise ValueError(f"--also {name}={value}: {error}") from None


def checked(values: Mapping[str, Any]) -> dict[str, Option]:
    """`values` of a file. Raises ValueError where one is of no field that can be chosen, or none of its field's."""
    for name in values:
        if name not in FIELDS:
            raise ValueError(f"a network has no {quoted(name)} of a recipe by itself: there are {', '.join(FIELDS)}")
    return {name: _option(name, str(value)) for name, value in values.items()}


def in_words(values: Mapping[str, Option]) -> str:
    """`lr 0.05, resolution 24`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def fields_of(values: Mapping[str, Option]) -> set[str]:
    """The fields of a recipe that `values` decide, by its own names."""
    names = {RESOLUTION: ("image_size",), AUGMENT: MIXED}
    return {field for name in values for field in names.get(name, (name,))}


# ------------------------------------------------------------------ behind a network's text

_VALUES = re.compile(rf"\+((?:{'|'.join(FIELDS)})=[\w.+-]+(?:,(?:{'|'.join(FIELDS)})=[\w.+-]+)*)$")


def as_text(values: Mapping[str, Option]) -> str:
    """`+lr=0.05,resolution=24`; "" of none."""
    return f"+{','.join(f'{name}={value}' for name, value in values.items())}" if values else ""


def split(text: str) -> tuple[str, dict[str, Option]]:
    """A network's `text`, and the values behind it. Raises ValueError where one is none of its field's."""
    if (match := _VALUES.search(text)) is None:
        return text, {}
    values = (part.partition("=") for part in match[1].split(","))
    return text[: match.start()], {name: _option(name, value) for name, _, value in values}


# ------------------------------------------------------------------ options


def _options(name: str, text: str) -> tuple[Option, ...]:
    words = text.split("/")
    if len(words) == 1:
        instead = f"{name}={text}/..." if text else name
        if any(mark in text for mark in "|:"):
            raise ValueError(f"--also {name}={text}: options are parted by /, as in lr=0.01/0.05")
        raise ValueError(
            f"--also {name}={text} leaves nothing to choose: give several options, as {instead}, or set it for all"
        )
    options = tuple(_option(name, word.strip()) for word in words)
    if len(set(options)) < len(options):
        raise ValueError(f"--also {name}={text} has an option twice: leave it out")
    return options


def _option(name: str, text: str) -> Option:
    if name == AUGMENT:
        known = Word(tuple(LEVELS))
        return str(known.parsed(f"--also {name}", text))
    kind = SIDE if name == RESOLUTION else RECIPE_FIELDS[name]
    return _written(kind.parsed(f"--also {name}", text))


def _written(value: Any) -> Option:
    """A field's value as an option is: a number, a whole one as such, or a word."""
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    written: Option = int(value) if isinstance(value, float) and value.is_integer() else value
    return written


def _of_level(level: str, pixels: int) -> dict[str, Any]:
    """What `augment=level` sets in a recipe for images of so many pixels a side."""
    off = {name: getattr(Recipe(), name) for name in MIXED}
    has = dict(LEVELS[level])
    if "cutout" in has:
        has["cutout"] = round(has["cutout"] * pixels)
    return off | has


def _usual(name: str, own: Option | None) -> tuple[Option, ...]:
    """The options of a field of which a person says none. Raises ValueError where none are usual."""
    if name in _AROUND:
        return _sorted(own, _AROUND[name](own))
    if name == AUGMENT:
        return tuple(dict.fromkeys([*USUAL_LEVELS, str(own)]))
    kind = RECIPE_FIELDS[name]
    if isinstance(kind, Word):
        return kind.known
    if isinstance(kind, Flag):
        return ("false", "true")
    raise ValueError(f"--also {name} has no usual options: give some, as {name}=A/B")


def _sorted(own: Any, others: Iterable[float]) -> tuple[Option, ...]:
    return tuple(sorted({own, *(_written(float(f"{other:.6g}")) for other in others)}))


def _decays(own: Any) -> Iterable[float]:
    return (0.0, own / 4, own * 4) if own else (1e-4, 5e-4)


def _sides(own: Any) -> Iterable[int]:
    """Three quarters and five quarters of a side, of whole eights, so that networks can halve them three times."""
    return (max(SIDE_STEP, SIDE_STEP * round(own * part / SIDE_STEP)) for part in (0.75, 1.25))


SIDE_STEP = 8  # pixels
_AROUND: Mapping[str, Callable[[Any], Iterable[float]]] = {
    "lr": lambda own: (own / 4, own / 2, own * 2, own * 4),
    "weight_decay": _decays,
    RESOLUTION: _sides,
    "label_smoothing": lambda own: (0.0, 0.1),
    "progressive": lambda own: (0.0, 0.5),
}
"""What is usual beside a recipe's own."""
