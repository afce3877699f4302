"""A network of any size from a base: by phi, or the largest that limits allow.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019, arXiv:1905.11946). What grows
and how it is rounded is `scaling.compound`; what width and depth are in a network stands in its family's file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.baselines.zoo import find
from nas.data.source import DataSource
from nas.devices.latency import latency
from nas.devices.memory import inference_memory, memory_of, training_memory
from nas.exports.files import write_network
from nas.exports.standalone import standalone_source
from nas.files import write_atomically
from nas.network import Designed, Network, grown
from nas.references.origin import channels_of, document_of, origin_of
from nas.references.resolve import resolve
from nas.references.show import choose_shape, usual_shape
from nas.text.units import format_bytes, format_count, format_seconds
from nas.training.transfer import UNTRAINED
from scaling.compound import PAPER, Compound, Multipliers, image_size_at, largest
from scaling.efficientnet import LITE, B, Coefficients
from searchspaces.cost import Cost, cost, shapes_only
from searchspaces.images import RGB
from searchspaces.layers import SMALL_IMAGE

MOST = 20.0  # of phi: a million times the multiply-adds
STEP = 0.01  # in which a phi is looked for
# Families whose members at whole phi were published, with factors that their authors chose by hand
PUBLISHED: dict[str, tuple[str, Mapping[str, Coefficients]]] = {
    "efficientnet_b0": ("b", B),
    "efficientnet_lite0": ("lite", LITE),
}


@dataclass(frozen=True)
class Base:
    """A network that grows (`scaling.compound.Scalable`): with factors of 1 it is `network` at `image_size` pixels.

    `data` are those that it comes from, if it comes from any: a larger one is for them, too.
    """

    network: Network
    num_classes: int
    image_size: int
    data: DataSource | None = None
    channels: int = RGB  # of an image

    @property
    def name(self) -> str:
        return self.network.name

    def scaled(self, width: float, depth: float, image_size: int) -> Network:
        """The network with `width` times the channels and `depth` times the layers, as what a person can type for it.

        Raises ValueError where it does not grow so.
        """
        if (width, depth, image_size) == (1, 1, self.image_size):
            return self.network
        larger = grown(self.network, width, depth, image_size)
        if self.image_size <= SMALL_IMAGE < image_size and _changes_form(larger, self.image_size, image_size):
            raise ValueError(
                f"{self.name} for {self.image_size} pixels has another form than for {image_size}, which costs less: "
                f"stay at {SMALL_IMAGE} pixels, or begin above them with --image-size"
            )
        return larger


def base_of(
    target: str, runs_dir: str | Path, num_classes: int | None = None, image_size: int | None = None,
    channels: int | None = None,
) -> Base:  # fmt: skip
    """What `target` means, for its own classes and pixels, or those given. Raises ValueError where it does not grow."""
    network = resolve(target, runs_dir)
    usual = usual_shape(target, network, runs_dir)
    origin = origin_of(target, network, runs_dir)
    shape = choose_shape(usual, num_classes, image_size)
    channels = channels_of(target, origin) if channels is None else channels
    base = Base(network, *shape, origin.data if origin and shape[0] == usual[0] else None, channels)
    with shapes_only():  # now, rather than where a larger one is asked for
        base.scaled(1.1, 1.1, base.image_size).build(base.num_classes, base.image_size, channels)
    return base


def _changes_form(network: Network, *pixels: int) -> bool:
    with shapes_only():
        forms = {str(network.build(10, size)) for size in pixels}
    return len(forms) > 1


# ---------------------------------------------------------------------------- one member of a family


@dataclass(frozen=True)
class Member:
    """A network at a `phi`: the factors `at` which it was built, and what it costs for `num_classes`."""

    base: Base
    phi: float
    compound: Compound
    network: Network
    at: Multipliers
    image_size: int
    published: bool  # whether the factors are its authors'; else they are the formula's
    cost: Cost
    dropout: float  # before the classifier

    def build(self) -> nn.Module:
        return self.network.build(self.base.num_classes, self.image_size, self.base.channels)

    def architecture(self) -> dict[str, Any]:
        """As `nas train` writes it, and every command reads it."""
        document: dict[str, Any] = json.loads(document_of(self.network, self.shape, self.data, self.base.channels))
        return document

    @property
    def shape(self) -> tuple[int, int]:
        """Classes and pixels."""
        return self.base.num_classes, self.image_size

    @property
    def data(self) -> DataSource | None:
        """The base's, at the pixels of this one."""
        return self.base.data and replace(self.base.data, image_size=self.image_size)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.network.name,
            "base": self.base.name,
            "phi": self.phi,
            "published": self.published,
            "width": self.at.width,
            "depth": self.at.depth,
            "image_size": self.image_size,
            "dropout": self.dropout,
            "num_classes": self.base.num_classes,
            **asdict(self.cost),
            **asdict(self.compound),
        }


def member(base: Base, phi: float, own: Compound | None = None) -> Member:
    """`base` at `phi`: as its authors published it if they did, else by the formula with the paper's coefficients.

    With one's `own` always by the formula.
    """
    found = published(base, phi) if own is None else None
    return found or by_formula(base, phi, own or PAPER)


def by_formula(base: Base, phi: float, compound: Compound = PAPER) -> Member:
    """`base` at `phi` by equation 3. Raises ValueError where that is not between 0 and `MOST`."""
    if not 0 <= phi <= MOST:
        raise ValueError(f"--phi is from 0, the base itself, to {MOST:g}, not {phi:g}")
    at = compound.at(phi)
    pixels = image_size_at(base, at)
    return _member(base, phi, compound, base.scaled(at.width, at.depth, pixels), at, pixels, published=False)


def published(base: Base, phi: float) -> Member | None:
    """The published member of the family of `base` at `phi`; None where there is none.

    There is if the base is a family's first network, at the size of its publication, and phi is whole.
    """
    plain, plus, options = base.name.partition("+")
    letter, members = PUBLISHED.get(plain, ("", {}))
    of = members.get(f"{letter}{phi:g}")
    if of is None or base.image_size != find(base.name).image_size:
        return None
    at = Multipliers(of.width, of.depth, of.image_size / base.image_size)
    network = Designed(f"efficientnet_{letter}{phi:g}{plus}{options}")
    return _member(base, phi, PAPER, network, at, of.image_size, published=True)


def _member(
    base: Base, phi: float, compound: Compound, network: Network, at: Multipliers, pixels: int, published: bool
) -> Member:
    with shapes_only():
        module = network.build(base.num_classes, pixels, base.channels)
    drops = [part.p for part in module.modules() if isinstance(part, nn.Dropout)]
    size = cost(module, pixels, base.channels)
    return Member(base, phi, compound, network, at, pixels, published, size, drops[-1] if drops else 0.0)


# ---------------------------------------------------------------------------- the largest within limits


@dataclass(frozen=True)
class Limit:
    """At most so much of something that grows with phi; `words` say what a network has of it."""

    most: float
    of: Callable[[Member], float]
    words: Callable[[float], str]


def macs_within(most: float) -> Limit:
    return Limit(most, lambda m: m.cost.macs, lambda count: f"has {format_count(count)} MACs")


def memory_within(most: float, batch_size: int | None) -> Limit:
    """Of inference with one image, or with a `batch_size` of training with that."""
    what = "for inference with one image" if batch_size is None else f"to train {batch_size} images at once"
    return Limit(most, lambda m: memory(m, batch_size), lambda size: f"needs {format_bytes(size)} of memory {what}")


def seconds_within(most: float, device: str) -> Limit:
    return Limit(most, lambda m: seconds(m, device), lambda time: f"takes {format_seconds(time)} an image on {device}")


def memory(of: Member, batch_size: int | None = None) -> int:
    """Bytes, as worked out by `nas.devices.memory`: of inference with one image, or of training with a batch."""
    if batch_size is None:
        return inference_memory(of.build, of.image_size, channels=of.base.channels)
    return training_memory(of.build, of.image_size, batch_size, of.base.channels)


def seconds(of: Member, device: str) -> float:
    """What one image takes, measured. Raises ValueError where the device has not the memory for it."""
    check_memory(of, device, "--no-time")
    repeats = min(30, max(1, int(3e10 / max(1, of.cost.macs))))  # some seconds of a CPU
    return latency(of.build(), of.image_size, device, repeats=repeats, channels=of.base.channels)


def check_memory(of: Member, device: str, instead: str) -> None:
    """Raises ValueError where the device has not the memory for one image, with what else is to be done `instead`."""
    needed, there = memory(of), memory_of(device)
    if needed > there:
        raise ValueError(
            f"{of.network.name}, at phi {of.phi:g}, needs {format_bytes(needed)} of memory for one image, and {device} "
            f"has {format_bytes(there)}: choose a smaller phi, or {instead}"
        )


def solve(base: Base, limits: Sequence[Limit], compound: Compound = PAPER) -> tuple[Member, str]:
    """The largest phi, in hundredths, that keeps within all `limits`, by the formula; and what ended its growth.

    Where a larger network is not to be had (the images would change its form), that is what ended it. Raises ValueError
    where the base itself exceeds a limit.
    """
    looked: dict[float, str] = {}

    def excess(phi: float) -> str:
        """What is too much of the network at `phi`; nothing, if it fits."""
        if phi not in looked:
            looked[phi] = _excess(base, phi, limits, compound)
        return looked[phi]

    phi = largest(lambda phi: not excess(phi), MOST, STEP)
    if phi is None:
        raise ValueError(f"even phi 0 does not fit: {excess(0.0)}; take a smaller --base")
    above = round(phi + STEP, 2)
    ended = f"at phi {above:g} {excess(above)}" if phi < MOST else f"phi {MOST:g} is the largest"
    return by_formula(base, phi, compound), ended


def _excess(base: Base, phi: float, limits: Sequence[Limit], compound: Compound) -> str:
    try:
        found = by_formula(base, phi, compound)
        for limit in limits:
            if (has := limit.of(found)) > limit.most:
                return f"{found.network.name} {limit.words(has)}"
    except ValueError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------------------- what a person asked for


def parse_phi(text: str) -> list[float]:
    """`3` -> [3], `2.5` -> [2.5], `0..7` -> [0, 1, ..., 7]. Raises ValueError for anything else."""
    first, dots, last = text.partition("..")
    try:
        ends = [float(first), float(last)] if dots else [float(first)]
    except ValueError:
        raise ValueError(f"--phi is a number or a range, as in 3, 2.5 or 0..7, not {text!r}") from None
    if not all(0 <= phi <= MOST for phi in ends):
        raise ValueError(f"--phi is from 0, the base itself, to {MOST:g}, not {text}")
    if not dots:
        return ends
    if ends[0] > ends[1] or any(phi != int(phi) for phi in ends):
        raise ValueError(f"--phi from..to are whole numbers, the smaller first, as in 0..7, not {text}")
    return [float(phi) for phi in range(int(ends[0]), int(ends[1]) + 1)]


def choose_compound(
    alpha: float | None, beta: float | None, gamma: float | None, together: str | None
) -> Compound | None:
    """One's own coefficients, None for those of the paper. Raises ValueError where some are missing."""
    if together is not None:
        if (alpha, beta, gamma) != (None, None, None):
            raise ValueError("give --compound or --alpha, --beta and --gamma, not both")
        try:
            alpha, beta, gamma = map(float, together.split(","))
        except ValueError:
            raise ValueError(f"--compound is alpha,beta,gamma as in 1.2,1.1,1.15, not {together!r}") from None
    if alpha is None and beta is None and gamma is None:
        return None
    if alpha is None or beta is None or gamma is None:
        raise ValueError("coefficients go together: give --alpha (depth), --beta (width) and --gamma (resolution)")
    return Compound(alpha, beta, gamma)


def write_untrained(folder: str | Path, of: Member, seed: int = 0) -> list[Path]:
    """Write the untrained network to `folder`, which is there: architecture, weights, and a file that builds it alone.

    Returns the files' paths.
    """
    torch.manual_seed(seed)
    module = of.build()
    about = {"network": of.network.name, "seed": str(seed)} | UNTRAINED
    folder = Path(folder)
    program = folder / "network.py"
    source = standalone_source(module, of.network.name, of.image_size, of.base.num_classes, channels=of.base.channels)
    weights, architecture = write_network(
        folder, of.network, module, of.shape, about, data=of.data, channels=of.base.channels
    )
    write_atomically(program, source)
    return [architecture, weights, program]
