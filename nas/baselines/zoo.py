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

from nas.baselines import (
    alexnet,
    bn_inception,
    densenet,
    efficientnet,
    googlenet,
    highway,
    inception_v3,
    inception_v4,
    lenet,
    mnasnet,
    mobilenet,
    nasnet,
    nfnet,
    preact_resnet,
    resnest,
    resnet,
    resnext,
    senet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
    stochastic_depth,
    vgg,
    vit,
    wide_resnet,
    xception,
    zfnet,
)
from nas.baselines.entry import Baseline
from searchspaces.modules import Residual
from searchspaces.weights import start_as_identity

BASELINES: dict[str, Baseline] = {
    **lenet.BASELINES,
    **alexnet.BASELINES,
    **zfnet.BASELINES,
    **vgg.BASELINES,
    **googlenet.BASELINES,
    **bn_inception.BASELINES,
    **highway.BASELINES,
    **inception_v3.BASELINES,
    **squeezenet.BASELINES,
    **inception_v4.BASELINES,
    **xception.BASELINES,
    **resnet.BASELINES,
    **preact_resnet.BASELINES,
    **stochastic_depth.BASELINES,
    **wide_resnet.BASELINES,
    **densenet.BASELINES,
    **resnext.BASELINES,
    **mobilenet.BASELINES,
    **shufflenet_v1.BASELINES,
    **shufflenet_v2.BASELINES,
    **nasnet.BASELINES,
    **senet.BASELINES,
    **mnasnet.BASELINES,
    **efficientnet.BASELINES,
    **resnest.BASELINES,
    **vit.BASELINES,
    **nfnet.BASELINES,
}

# Families that are a formula: their name's form as a pattern, as people write it, and what makes the network.
FAMILIES: list[tuple[str, str, Callable[..., Baseline]]] = [
    (r"resnet(\d+)", "resnet{6n+2}", resnet.cifar_of_depth),
    (r"shufflenet_v1_x(0_25|0_5|1_0|1_5|2_0)_g([12348])", "shufflenet_v1_x{width}_g{groups}", shufflenet_v1.in_groups),
    (r"preact_resnet(\d+)", "preact_resnet{6n+2 or, from 164 on, 9n+2}", preact_resnet.cifar_of_depth),
    (r"stochastic_depth_resnet(\d+)", "stochastic_depth_resnet{6n+2}", stochastic_depth.of_depth),
    (r"wrn(\d+)-(\d+)", "wrn{6n+4}-{k}", wide_resnet.wrn_of),
    (r"densenet_(\d+)_(\d+)", "densenet_{3n+4}_{k}", densenet.plain),
    (r"densenet_bc_(\d+)_(\d+)", "densenet_bc_{6n+4}_{k}", densenet.bc),
    (r"resnext29_(\d+)x(\d+)d", "resnext29_{groups}x{width}d", resnext.resnext29_of),
    (r"resnest(\d+)_(\d+)s(\d+)x(\d+)d", "resnest{depth}_{radix}s{groups}x{width}d", resnest.resnest_of),
    (r"vit_([blh])_(\d+)", "vit_{b,l,h}_{patch}", vit.of_size),
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
    known = ", ".join(baseline.options) or "none of its own"
    raise ValueError(f"{name} has no option {option!r}: it has {known}, and {ZERO_INIT} if it has residual blocks")


def _zero_init(name: str, module: nn.Sequential) -> nn.Sequential:
    if not any(isinstance(part, Residual) for part in module.modules()):
        raise ValueError(f"{name} has no residual blocks to start at zero: leave out +{ZERO_INIT}")
    return start_as_identity(module)
