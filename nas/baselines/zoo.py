"""Every hand-designed network by its name.

    resnet56                       a name
    mobilenet_v1@0.75-160          a width multiplier and the image size that goes with it, as MobileNet writes them
    wrn28-10, densenet_bc_100_12   families that are a formula of depth and width take any
    resnet50+zero_init             an option: how a publication's variants, and what training may want, are switched on

`BASELINES` has what is said of each, `build` makes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from nas.baselines import mobilenet, resnet
from nas.baselines.entry import Baseline
from searchspaces.layers import Residual, zero_last_norms

BASELINES: dict[str, Baseline] = {
    **mobilenet.BASELINES,
    **resnet.BASELINES,
}

# Families that are a formula: their name's form as a pattern, as people write it, and what makes the network.
FAMILIES: list[tuple[str, str, Callable[..., Baseline]]] = [
    (r"resnet(\d+)", "resnet{6n+2}", resnet.cifar_of_depth),
]


class UnknownName(ValueError):
    """No network of the zoo has this name, nor a family that is a formula."""


ZERO_INIT = "zero_init"  # of every network with residual blocks


def build(name: str, num_classes: int = 1000, image_size: int = 224) -> nn.Sequential:
    """The network called `name`: `[B, 3, image_size, image_size]` -> logits `[B, num_classes]`.

    Its children are the rows of its paper's table. Images of up to 64 pixels get the family's CIFAR form where
    there is one. Raises ValueError for a name that is none, and for images that are too small, with the least size.
    """
    baseline = find(name)
    if num_classes < 1:
        raise ValueError(f"{name}: num_classes must be at least 1, not {num_classes}")
    if image_size < baseline.min_size:
        raise ValueError(f"{name} needs images of at least {baseline.min_size} pixels, not {image_size}")
    return baseline.builder(num_classes, image_size)


def find(name: str) -> Baseline:
    """What the zoo knows of `name`, multiplier and options applied. Raises ValueError for a name that is none."""
    if name in BASELINES:
        return BASELINES[name]
    match = re.fullmatch(r"(?P<family>[^@+]+)(?P<options>(\+[^@+]+)*)(@(?P<width>-?[^-+]+)(-(?P<size>\d+))?)?", name)
    baseline = match and _family(match["family"])
    if not match or not baseline:
        raise UnknownName(
            f"there is no baseline called {name!r}: `nas baselines` lists them, and there are "
            + ", ".join(form for _, form, _ in FAMILIES)
        )
    if match["width"]:
        baseline = _at_width(match["family"], baseline, match["width"])
    if match["size"]:
        baseline = replace(baseline, image_size=int(match["size"]))
    for option in match["options"].split("+")[1:]:
        baseline = _with_option(match["family"], baseline, option)
    return baseline


def _family(name: str) -> Baseline | None:
    if name in BASELINES:
        return BASELINES[name]
    for pattern, _, make in FAMILIES:
        if match := re.fullmatch(pattern, name):
            return make(*(int(group) if group.isdigit() else group for group in match.groups()))
    return None


def _at_width(name: str, baseline: Baseline, text: str) -> Baseline:
    if not baseline.scalable:
        raise ValueError(f"{name} has no width multiplier: say {name}")
    try:
        width = float(text)
    except ValueError:
        width = 0.0
    if not 0 < width <= 100:
        raise ValueError(f"{name}@{text}: the width multiplier after '@' is a number of 0 to 100, as in {name}@0.5")
    return baseline.changed(width=width)


def _with_option(name: str, baseline: Baseline, option: str) -> Baseline:
    if option in baseline.options:
        return baseline.changed(**{option: True})
    if option == ZERO_INIT:
        return replace(baseline, builder=lambda *args: _zero_init(name, baseline.builder(*args)))
    there_are = ", ".join(sorted([*baseline.options, ZERO_INIT]))
    raise ValueError(f"{name} has no option {option!r}; there are {there_are}")


def _zero_init(name: str, module: nn.Sequential) -> nn.Sequential:
    if not any(isinstance(part, Residual) for part in module.modules()):
        raise ValueError(f"{name} has no residual blocks to start at zero: leave out +{ZERO_INIT}")
    return zero_last_norms(module)
