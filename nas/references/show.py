"""What there is to say of one network: what it is, its choices, its rows and their cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from nas.baselines.zoo import find
from nas.checks import schema, schemas
from nas.checks.limits import CLASSES, PIXELS
from nas.data.images import RGB
from nas.joint.fields import as_text
from nas.ledger.run import Run, folder_of
from nas.network import Designed, Found, Headed, Network, Scaled
from nas.references.origin import Origin, document_of
from nas.references.resolve import file_of
from nas.text.units import format_count
from searchspaces import Compact, Mnas, NASNet
from searchspaces.blockstrings import format_blocks
from searchspaces.cost import Cost, RowCost, cost, costs_by_row, shapes_only
from searchspaces.describe import describe
from searchspaces.genotypes import format_genotype
from searchspaces.graph import Graph, Node, kind_of, line
from searchspaces.space import Option

Shape = tuple[int, int]  # classes, pixels
FORMS = ("text", "json", "blocks", "genotype")


@dataclass(frozen=True)
class Shown:
    """A network in its form for so many classes and pixels. `words`: what each of its `rows` does."""

    network: Network
    num_classes: int
    image_size: int
    cost: Cost
    rows: list[RowCost]
    words: list[str]
    channels: int = RGB  # of an image

    @property
    def title(self) -> str:
        """What it is: its name, or its space with its settings; lists only where they are not as by default."""
        if isinstance(self.network, Designed | Headed):
            return self.network.name
        if isinstance(self.network, Scaled):
            return f"{self.network.name}: {self.network.width:g} times the channels, {self.network.depth:g} the layers"
        space = self.network.space
        said = {k: v for k, v in space.settings().items() if not isinstance(v, list)} | space.changed_settings()
        return f"{space.name}: {', '.join(f'{name} {value}' for name, value in said.items())}".removesuffix(": ")

    @property
    def caption(self) -> str:
        """The same in short, for a picture."""
        size = f"{format_count(self.cost.params)} params, {_macs(self.cost)} at {self.image_size} pixels"
        return f"{self.network.name}   {size}"

    def graphs(self) -> Mapping[str, Graph]:
        """What a picture shows: the graphs that the space declares, else the rows, by titles."""
        own = self.network.space.graphs(self.network.arch) if isinstance(self.network, Found) else {}
        return own or {"": line((Node("image", "state"), *map(self._node, self.rows, self.words)))}

    def details(self) -> dict[str, str]:
        """A second line for each row of a picture."""
        return {row.name: f"{format_size(row.output)}   {_macs(row.cost)}" for row in self.rows}

    def _node(self, row: RowCost, words: str) -> Node:
        label = words if row.name.isdigit() else f"{row.name}\n{words}"
        return Node(label, kind_of(words), row=row.name)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        rows = [asdict(row) | {"layers": words} for row, words in zip(self.rows, self.words, strict=True)]
        of = {"num_classes": self.num_classes, "image_size": self.image_size}
        size = of | ({} if self.channels == RGB else {"channels": self.channels}) | asdict(self.cost)
        named = {"name": self.network.name}
        if isinstance(self.network, Found):
            named |= {"id": self.network.space.short_id(self.network.arch)}
        if not isinstance(self.network, Designed):
            named |= {"text": self.network.text}
        document: dict[str, Any] = json.loads(self.network.to_json())
        return named | document | size | {"rows": rows}


def choose_shape(usual: Shape, num_classes: int | None, image_size: int | None) -> Shape:
    """What is given, else what is `usual`. Raises ValueError where there are no such classes or pixels."""
    shape = usual[0] if num_classes is None else num_classes, usual[1] if image_size is None else image_size
    CLASSES.checked("--classes", shape[0])
    PIXELS.checked("--image-size", shape[1])
    return shape


def show(network: Network, shape: Shape, channels: int = RGB) -> Shown:
    """`network` for `shape`, classes and pixels, and so many channels. ValueError where it takes no such images."""
    num_classes, image_size = shape
    with shapes_only():
        module = network.build(num_classes, image_size, channels)
    rows = module if isinstance(module, nn.Sequential) else nn.Sequential(module)
    words = [describe(row) or _parts(row) for row in rows]
    costs = cost(rows, image_size, channels), costs_by_row(rows, image_size, channels)
    return Shown(network, *shape, *costs, words, channels)


def usual_shape(target: str, network: Network, runs_dir: str | Path) -> Shape:
    """Classes and pixels of what `target` means: as in its run, its file, its space or its publication."""
    if isinstance(network, Headed) and target.startswith(f"{network.head}:"):
        return usual_shape(target.partition(":")[2], network.base, runs_dir)
    if isinstance(network, Headed):  # as a file has it, which says the shape
        network = network.base
    if isinstance(network, Designed):
        baseline = find(network.name)
        classes, pixels = baseline.num_classes, baseline.image_size
    else:
        settings = (network.base if isinstance(network, Scaled) else network).space.settings()
        classes, pixels = settings.get("num_classes") or 10, settings.get("image_size", 32)
        pixels = network.image_size if isinstance(network, Scaled) else pixels
    if file := file_of(target):
        document = schema.read(file, schemas.NETWORK)
        return document.get("num_classes", classes), document.get("image_size", pixels)
    folder = folder_of(target.partition(":")[0], runs_dir)
    of_run = ":" in target and folder.is_dir()
    return Run.open(folder).config.shape_of(network) if of_run else (classes, pixels)


def written(
    network: Network,
    form: str,
    shape: Shape,
    origin: Origin | None = None,
    channels: int = RGB,
    recipe: Mapping[str, Option] = MappingProxyType({}),
) -> str:
    """`network` in one of `FORMS`; as JSON with the data that it comes from, if any, and the `shape` that it has there.

    Text and JSON have the `recipe` that it has by itself, too. Raises ValueError where it has no such form, or there is
    none.
    """
    if form not in FORMS:
        raise ValueError(f"--format is table, {', '.join(FORMS)}, not {form!r}")
    if form == "json":
        if origin is None and not recipe:
            return network.to_json()
        return document_of(network, shape, origin.data if origin else None, channels, recipe).rstrip()
    if form == "text" and isinstance(network, Scaled):
        return network.text
    if not isinstance(network, Found):
        raise ValueError(f"{network.name} is no architecture of a space, which alone have --format {form}")
    match network.space:
        case NASNet() as space if form == "genotype":
            return format_genotype(space.genotype(network.arch))
        case Mnas() | Compact() as space if form == "blocks":
            return "\n".join(format_blocks(space, network.arch, shape[1]))
    if form != "text":
        raise ValueError(
            f"{network.space.name} has no --format {form}: blocks are of mnas and compact, genotypes of nasnet"
        )
    return f"{network.text}{as_text(recipe)}"


def choices_by_group(network: Found) -> tuple[list[str], list[list[str]]]:
    """The choices of an architecture as a table: a row a group, such as a block, and a column a choice."""
    options, groups = network.space.options(network.arch), dict[str, dict[str, str]]()
    for name, value in options.items():
        group, _, what = name.rpartition(".")
        groups.setdefault(group, {})[what] = str(value)
    columns = list(dict.fromkeys(what for chosen in groups.values() for what in chosen))
    return ["", *columns], [[group, *(chosen.get(what, "") for what in columns)] for group, chosen in groups.items()]


def format_size(shape: tuple[int, ...]) -> str:
    """`[C, H, W]` as papers print it, 112x112x64."""
    return "x".join(map(str, (*shape[1:], shape[0]) if len(shape) == 3 else shape))


def _macs(spent: Cost) -> str:
    return f"{format_count(spent.macs)} MACs" if spent.macs else ""


def _parts(module: nn.Module) -> str:
    """The types of the parts of a row of which there is nothing else to say."""
    return ", ".join(type(part).__name__.lower() for part in module.modules() if not list(part.children()))
