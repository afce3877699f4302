"""Every hand-designed network by its name.

    resnet56                       a name
    mobilenet_v1@0.75-160          a width multiplier and the image size that goes with it, as MobileNet writes them
    resnet20@1.1x1.2-36            multipliers of width and depth: what `nas scale` makes of a network is called so
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
    efficientdet,
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
    unet,
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
SEGMENTERS = unet.SEGMENTERS
"""Those that say a class of every pixel, by their names: images in, scores `[B, classes, H, W]` out."""
DETECTORS = efficientdet.DETECTORS
"""Those that find objects, by their names, see `nas.detection.detector.Detector`."""

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


_MULTIPLIERS = r"(@(?P<width>-?[^-+x]*)(x(?P<depth>[^-+]*))?(-(?P<size>[0-9]+))?)"
DIGITS = 4  # of a number in a family's name: deeper or wider ones are not built in anybody's time
LARGEST_IMAGE = 16_384  # pixels
ZERO_INIT = "zero_init"  # of every network with residual blocks


def build(name: str, num_classes: int = 1000, image_size: int = 224) -> nn.Module:
    """The network called `name`: `[B, 3, image_size, image_size]` -> logits `[B, num_classes]`, of a segmenter
    `[B, num_classes, H, W]`, of a detector as `nas.detection.detector.Detector` has it.

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
    if name in (named := BASELINES | SEGMENTERS | DETECTORS):
        return named[name]
    match = re.fullmatch(rf"(?P<family>[^@+]+)(?P<options>(\+[^@+]+)*){_MULTIPLIERS}?", name)
    baseline = match and _family(match["family"])
    if not match or not baseline:
        raise UnknownName(
            f"there is no baseline called {name!r}: `nas baselines` lists them, and there are "
            + ", ".join(form for _, form, _ in FAMILIES)
        )
    if match["width"] is not None:
        baseline = _multiplied(match["family"], baseline, match["width"], match["depth"])
    if match["size"]:
        if len(match["size"]) > 5 or not 1 <= int(match["size"]) <= LARGEST_IMAGE:
            raise ValueError(f"{name[:40]}: images have 1 to {LARGEST_IMAGE:,} pixels a side")
        baseline = replace(baseline, image_size=int(match["size"]))
    for option in match["options"].split("+")[1:]:
        baseline = _with_option(match["family"], baseline, option)
    return baseline


def _family(name: str) -> Baseline | None:
    if name in BASELINES:
        return BASELINES[name]
    for pattern, _, make in FAMILIES:
        if match := re.fullmatch(pattern, name, re.ASCII):
            if any(len(group) > DIGITS for group in match.groups()):
                raise ValueError(f"{name[:40]}: a number in a network's name is at most {10**DIGITS - 1:,}")
            return make(*(int(group) if group.isdigit() else group for group in match.groups()))
    return None


def scaled_name(name: str, width: float, depth: float, image_size: int) -> str:
    """What the baseline `name` is called with `width` and `depth` times as much, for images of `image_size` pixels.

    Raises ValueError where it does not grow so.
    """
    find(name)
    match = re.fullmatch(rf"(?P<plain>[^@]+){_MULTIPLIERS}?", name)
    assert match, "it has been found"
    baseline = find(match["plain"])
    if not (baseline.scalable and baseline.deepens):
        what = "layers of which there could be more of the same" if baseline.scalable else "width multiplier"
        raise ValueError(f"{name} does not scale: it has no {what}")
    width, depth = float(match["width"] or 1) * width, float(match["depth"] or 1) * depth
    return f"{match['plain']}@{_number(width)}x{_number(depth)}-{image_size}"


def with_width(name: str, width: float) -> str:
    """What the baseline `name` is called at another width multiplier. Raises ValueError where it has none."""
    find(name)
    match = re.fullmatch(rf"(?P<plain>[^@]+){_MULTIPLIERS}?", name)
    assert match, "it has been found"
    if not find(match["plain"]).scalable:
        raise ValueError(f"{name} has no width multiplier")
    depth, size = match["depth"], match["size"]
    return f"{match['plain']}@{_number(width)}{f'x{depth}' if depth else ''}{f'-{size}' if size else ''}"


def _multiplied(name: str, baseline: Baseline, width: str, depth: str | None) -> Baseline:
    if not baseline.scalable:
        raise ValueError(f"{name} has no width multiplier: say {name}")
    baseline = baseline.changed(width=_multiplier(name, "width", width))
    if depth is None:
        return baseline
    if not baseline.deepens:
        raise ValueError(f"{name} has no depth multiplier: say {name}@{width}")
    return baseline.changed(depth=_multiplier(name, "depth", depth))


def _multiplier(name: str, what: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        example = f"{name}@0.5" if what == "width" else f"{name}@1.1x1.2"
        raise ValueError(f"{name}: the {what} multiplier {text!r} is a number of 0 to 100, as in {example}")
    return number


def _number(value: float) -> str:
    return f"{round(value, 4):g}"


def _with_option(name: str, baseline: Baseline, option: str) -> Baseline:
    if option in baseline.options:
        return baseline.changed(**{option: True})
    if option == ZERO_INIT:
        return replace(baseline, builder=lambda *args: _zero_init(name, baseline.builder(*args)))
    known = ", ".join(baseline.options) or "none of its own"
    raise ValueError(f"{name} has no option {option!r}: it has {known}, and {ZERO_INIT} if it has residual blocks")


def _zero_init(name: str, module: nn.Module) -> nn.Module:
    if not any(isinstance(part, Residual) for part in module.modules()):
        raise ValueError(f"{name} has no residual blocks to start at zero: leave out +{ZERO_INIT}")
    return start_as_identity(module)
