"""The zoo as a table: what every network is, what it costs, and what was published of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache

from torch import nn

from nas.baselines.entry import Baseline
from nas.baselines.zoo import BASELINES, build, find
from searchspaces.cost import Cost, RowCost, cost, costs_by_row, shapes_only

Shape = tuple[int, int]  # classes, pixels
CIFAR10: Shape = (10, 32)


@dataclass(frozen=True)
class Listed:
    """A network and its cost at `image_size` and `num_classes`, and its cost for CIFAR-10 if it is made for that."""

    name: str
    baseline: Baseline
    num_classes: int
    image_size: int
    cost: Cost
    cifar10: Cost | None

    def to_dict(self) -> dict[str, object]:
        """For `--json`; errors are in percent."""
        b = self.baseline
        return {
            "name": self.name,
            "year": b.year,
            "paper": b.paper,
            **asdict(self.cost),
            "image_size": self.image_size,
            "num_classes": self.num_classes,
            "published_on": b.data,
            "top1_error": b.top1,
            "top5_error": b.top5,
            "errors_from": b.errors,
            "min_size": b.min_size,
            "cifar_form": b.cifar or None,
            "cifar10": self.cifar10 and asdict(self.cifar10),
            "width_multiplier": b.scalable,
            "depth_multiplier": b.deepens,
            "options": dict(b.options),
        }


def listing(shape: Shape | None = None) -> list[Listed]:
    """Every network of the zoo as it was published; or with `shape` those for small images, in that form."""
    return [listed(name, shape) for name, b in BASELINES.items() if shape is None or b.for_small_images]


@cache
def listed(name: str, shape: Shape | None = None) -> Listed:
    """What there is to say of the network `name`, in its published form or in that of `shape`."""
    baseline = find(name)
    shape = shape or (baseline.num_classes, baseline.image_size)
    shapes = {shape, CIFAR10} if baseline.for_small_images else {shape}
    costs = {shape: cost(_network(name, shape), shape[1]) for shape in shapes}
    return Listed(name, baseline, *shape, costs[shape], costs.get(CIFAR10))


def rows_of(network: Listed) -> list[RowCost]:
    """The rows of its paper's table."""
    return costs_by_row(_network(network.name, (network.num_classes, network.image_size)), network.image_size)


def _network(name: str, shape: Shape) -> nn.Sequential:
    with shapes_only():
        module = build(name, *shape)
    return module if isinstance(module, nn.Sequential) else nn.Sequential(module)
