"""NASNet's space: two cells, of which a network of any size is stacked.

Zoph, Vasudevan, Shlens, Le: "Learning Transferable Architectures for Scalable Image Recognition" (2017,
arXiv:1707.07012), section 3. What is found on small images with few filters is a normal cell, which keeps the
resolution, and a reduction cell, which halves it; more of them, wider, make the network for large ones. Each cell has
B = 5 blocks; the controller makes five decisions for each, those of the normal cell first:

    left, right         two states: the outputs of the two cells before, or of an earlier block of this one
    left_op, right_op   one of 13 operations on each, see `searchspaces.operations`
    combine             their sum, or the two side by side as channels

States that no block has used are joined as the cell's output. NASNet-A, the paper's best, does not quite follow that
rule: in its authors' code the normal cell joins h_i-1 too, and the reduction cell its second block, which others use
as well. So which states are joined *although* they are used is a setting, `normal_keeps` and `reduction_keeps`, none
by default; `NASNet().holding(genotype)` is the space that has a given genotype for an architecture:

    space = NASNet(n=6, filters=32).holding(NASNET_A)
    network = space.build(space.encode(NASNET_A))

Networks are stacked as in figure 2, with the channels of section 4 and what `searchspaces.cells` says. Where the paper
is silent:
- the stem and where the auxiliary classifier stands are as in its authors' TF-slim code (tensorflow/models,
  research/slim/nets/nasnet); in training the classifier looks at images of the size that it was built for, or larger;
- concatenated blocks, of which NASNet-A has none, have twice the cell's channels;
- batch norm keeps PyTorch's momentum (0.1) by default: the authors' on ImageNet, 0.0003, needs far more steps than a
  proxy training has.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

from torch import nn

from searchspaces import graph
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.cells import Block, Cell, Combine, Genotype, cell, cell_network, cells_summary, last_output
from searchspaces.genotypes import parse_genotype
from searchspaces.graph import Graph
from searchspaces.images import image_channels
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    Norm,
    adaptive_avg_pool,
    avg_pool,
    chain,
    conv,
    head,
    network,
    round_repeats,
)
from searchspaces.operations import OPERATIONS, relu
from searchspaces.scaled import Row, ScaledSpace, summary_of_row
from searchspaces.space import Arch, Choice
from searchspaces.summary import Summary

PAPERS_OPS = tuple(OPERATIONS)[:13]
COMBINE: tuple[Combine, ...] = ("add", "concat")
STAGES = 3  # of N normal cells; each after the first starts with a reduction cell and has twice the filters


@dataclass(frozen=True)
class NASNet(ScaledSpace):
    """The space of cells of so many `blocks`, in networks of `n` normal cells a stage and `filters` in the first.

    The paper's N @ P has `filters` = P / 24 for NASNet-A, whose normal cell joins 6 states. The defaults are for a
    search on a CPU: N = 1 has both cells already, and with a quarter of the 32 filters that the paper searched with a
    network of typically 20M multiply-adds for 32 pixels trains in less than half the time of one of `mnas`. Up to 64
    pixels of `image_size` the stem is a 3x3 convolution, above it has two reduction cells, too.
    """

    blocks: int = 5
    n: int = 1
    filters: int = 8
    stem: int = 3  # times `filters` its convolution has on small images, times 32 on large ones
    ops: tuple[str, ...] = PAPERS_OPS
    normal_keeps: tuple[int, ...] = ()  # states that are joined although a block uses them
    reduction_keeps: tuple[int, ...] = ()
    hide_input: bool = False  # from the cell after a reduction: it sees what came before the reduction's input
    dropout: float = 0.0  # before the classifier
    drop_path: float = 0.0  # of the last cell at the end of the training; less in earlier ones and before
    aux: float = 0.0  # weight of an auxiliary classifier's loss; 0: there is none
    bn_momentum: float = 0.1

    name: ClassVar[str] = "nasnet"

    def __post_init__(self) -> None:
        for field in ("ops", "normal_keeps", "reduction_keeps"):  # JSON has lists
            object.__setattr__(self, field, tuple(getattr(self, field)))
        super().__post_init__()
        if not (
            0 <= self.dropout < 1 and 0 <= self.drop_path < 1 and 0 <= self.aux <= 100 and 0 < self.bn_momentum <= 1
        ):
            raise ValueError(
                "nasnet: dropout and drop_path must be at least 0 and below 1, aux 0 to 100, and bn_momentum above 0 "
                "and at most 1"
            )
        if not self.ops or not set(self.ops) <= OPERATIONS.keys() or len(set(self.ops)) != len(self.ops):
            raise ValueError(f"nasnet: ops are at least one of {', '.join(OPERATIONS)}, each once, not {self.ops}")
        if any(not 0 <= state < 2 + self.blocks for state in (*self.normal_keeps, *self.reduction_keeps)):
            raise ValueError(f"nasnet: cells of {self.blocks} blocks have the states 0 to {1 + self.blocks} to keep")

    def bounds(self) -> dict[str, tuple[float, float, float]]:
        own = {"blocks": (self.blocks, 1, 12), "n": (self.n, 1, 20)}
        channels = {"filters": (self.filters, 1, 10_000), "stem": (self.stem, 1, 1_000)}
        return super().bounds() | own | channels

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(
            choice
            for kind in Genotype._fields
            for number in range(1, self.blocks + 1)
            for choice in (
                Choice(f"{kind}{number}.left", tuple(range(1 + number)), kind="state"),
                Choice(f"{kind}{number}.right", tuple(range(1 + number)), kind="state"),
                Choice(f"{kind}{number}.left_op", self.ops, kind="op"),
                Choice(f"{kind}{number}.right_op", self.ops, kind="op"),
                Choice(f"{kind}{number}.combine", COMBINE),
            )
        )

    @property
    def fineness(self) -> int:
        """A step is one filter more in the last stage."""
        return self.filters << (STAGES - 1)

    def network_at(
        self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0
    ) -> nn.Sequential:
        deeper = replace(self, n=round_repeats(self.n, depth))
        return deeper.network(self.genotype(arch), num_classes, image_size, width)

    def network(
        self, genotype: Genotype, num_classes: int = 10, image_size: int | None = None, width: float | None = None
    ) -> nn.Sequential:
        """The network of any `genotype`, of this space or not, with this space's other settings."""
        size, width = image_size or self.image_size, self.width if width is None else width
        small, c = size <= SMALL_IMAGE, self._filters(0, width)
        norm = partial(nn.BatchNorm2d, eps=1e-5 if small else 1e-3, momentum=self.bn_momentum)
        normal, reduction = (partial(cell, plan, norm=norm) for plan in genotype)
        if small:
            stem, rows = conv(c * self.stem, act=None, norm=norm), {}
        else:
            c_stem = max(1, round(32 * self.stem * width))
            stem = conv(c_stem, stride=2, act=None, norm=norm, padding=0)
            rows = {f"cell_stem_{i}": partial(reduction, max(2, c // 4 * 2**i), 2) for i in range(2)}
        for stage in range(STAGES):
            c_stage = self._filters(stage, width)
            if stage:
                rows[f"reduction_cell_{stage - 1}"] = partial(reduction, c_stage, 2, hide_input=self.hide_input)
            rows |= {f"cell_{i}": partial(normal, c_stage) for i in range(stage * self.n, stage * self.n + self.n)}
        cells = {name: make(drop=self.drop_path * i / len(rows)) for i, (name, make) in enumerate(rows.items(), 1)}
        module = cell_network(("conv0", stem), cells, ("final_layer", head(num_classes, self.dropout)), init)
        if not self.aux:
            return module
        classifier = auxiliary_classifier(num_classes, _pixels_in_stage_two(size), norm)
        tapped = network(classifier, c_in=self._filters(1, width) * len(genotype.normal.output), init=init)
        return WithAuxiliary(module, {f"cell_{2 * self.n - 1}": tapped}, self.aux)

    @property
    def quick_features(self) -> bool:
        return self.image_size <= SMALL_IMAGE and not self.hide_input

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """Without the auxiliary classifier, as the network is deployed."""
        size = self.image_size
        if not self.quick_features:
            return super().summary_at(arch, width)
        plans, c = self.genotype(arch), self._filters(0, width) * self.stem
        row = Row(conv, (c, 3, 1, 1, None))
        stem, c, side = summary_of_row(row, self.image_channels or image_channels(), size, size)
        cells: list[tuple[Cell, int, int]] = []
        for stage in range(STAGES):
            c_stage = self._filters(stage, width)
            cells += [(plans.reduction, c_stage, 2)] if stage else []
            cells += [(plans.normal, c_stage, 1)] * self.n
        body, c, side = cells_summary(stem, c, side, cells, size)
        return body + summary_of_row(Row(head, (self.num_classes or 10,)), c, side, size)[0]

    def _filters(self, stage: int, width: float) -> int:
        """Twice those of the stage before; with a limit but for rounding, so that it can be met closely."""
        if not self.limited:
            return max(2, round(self.filters * width)) << stage
        return max(2, round((self.filters << stage) * width))

    # ------------------------------------------------------------------ genotypes

    def parse(self, text: str) -> Arch:
        """An architecture by the text of `format`, or by that of its genotype (see `searchspaces.genotypes`)."""
        return self.encode(parse_genotype(text)) if text.lstrip().startswith("Genotype") else super().parse(text)

    def genotype(self, arch: Arch) -> Genotype:
        """The two cells of `arch`."""
        decisions, ops = len(Block._fields), self.ops
        chosen = [arch[start : start + decisions] for start in range(0, len(self.check(arch)), decisions)]
        blocks = [Block(left, ops[a], right, ops[b], COMBINE[c]) for left, right, a, b, c in chosen]
        plans = [tuple(blocks[: self.blocks]), tuple(blocks[self.blocks :])]
        return Genotype(*(Cell(plan, joined(plan, kept)) for plan, kept in zip(plans, self._keeps, strict=True)))

    def encode(self, genotype: Genotype) -> Arch:
        """The architecture whose cells `genotype` has. Raises ValueError where this space has none, with the reason."""
        arch = self._from_blocks([plan.blocks for plan in genotype])
        for kind, plan, ours in zip(Genotype._fields, genotype, self.genotype(arch), strict=True):
            if set(plan.output) != set(ours.output):
                raise ValueError(
                    f"nasnet: the {kind} cell joins the states {sorted(plan.output)}, but in this space "
                    f"{sorted(ours.output)}: those that no block uses, and {kind}_keeps"
                )
        return arch

    def holding(self, genotype: Genotype) -> NASNet:
        """This space with the number of blocks, the operations and the states to keep that `genotype` needs."""
        used = {op for plan in genotype for block in plan.blocks for op in (block.left_op, block.right_op)}
        extra = tuple(op for op in OPERATIONS if op in used and op not in self.ops)
        normal, reduction = (tuple(sorted(set(plan.output) - set(joined(plan.blocks)))) for plan in genotype)
        blocks = len(genotype.normal.blocks)
        return replace(self, blocks=blocks, ops=self.ops + extra, normal_keeps=normal, reduction_keeps=reduction)

    def canonical(self, arch: Arch) -> Arch:
        """The first of the architectures that differ in the names of weights and the order of channels alone.

        These are: the two sides of a block exchanged, blocks in another order, and, since an identity that has to
        change its state's shape is a 1x1 convolution, the one in place of the other (not with `drop_path`, which the
        identity is spared).
        """
        cells = []
        for kind, plan, kept in zip(Genotype._fields, self.genotype(arch), self._keeps, strict=True):
            blocks = plan.blocks
            if "identity" in self.ops and not self.drop_path:
                blocks = _identities(blocks, strided=kind == "reduction")
            ordered = _first_order(dict(enumerate(blocks, start=2)), plan, kept, {0: 0, 1: 1})
            assert ordered is not None, "a cell has its own order"
            cells.append(ordered)
        op = self.ops.index  # by `from_options` that takes longer than all else
        return tuple(
            index
            for blocks in cells
            for b in blocks
            for index in (b.left, b.right, op(b.left_op), op(b.right_op), COMBINE.index(b.combine))
        )

    def graphs(self, arch: Arch) -> dict[str, Graph]:
        """The two cells."""
        return {f"{kind} cell": graph.cell(plan) for kind, plan in self.genotype(arch)._asdict().items()}

    @property
    def _keeps(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.normal_keeps, self.reduction_keeps

    def _from_blocks(self, cells: Iterable[Sequence[Block]]) -> Arch:
        return self.from_options(
            {
                f"{kind}{number}.{field}": value
                for kind, blocks in zip(Genotype._fields, cells, strict=True)
                for number, block in enumerate(blocks, start=1)
                for field, value in block._asdict().items()
            }
        )


def joined(blocks: Sequence[Block], keeps: Collection[int] = ()) -> tuple[int, ...]:
    """The states that a cell of `blocks` joins as its output: those that no block uses, and those it `keeps`."""
    used = _used(blocks)
    return tuple(state for state in range(2 + len(blocks)) if state not in used or state in keeps)


def _used(blocks: Iterable[Block]) -> set[int]:
    return {state for block in blocks for state in (block.left, block.right)}


# ---------------------------------------------------------------------------- equal cells


def _identities(blocks: Sequence[Block], strided: bool) -> tuple[Block, ...]:
    """`blocks` with the identity for those 1x1 convolutions that it is anyway."""

    def equal(state: int, op: str) -> str:
        reshaped = strided if state < 2 else blocks[state - 2].combine == "concat"
        return "identity" if op == "conv1x1" and reshaped else op

    return tuple(b._replace(left_op=equal(b.left, b.left_op), right_op=equal(b.right, b.right_op)) for b in blocks)


def _first_order(
    left: Mapping[int, Block], plan: Cell, keeps: Collection[int], numbers: Mapping[int, int]
) -> tuple[Block, ...] | None:
    """The blocks that are `left`, by their states, in that order whose table is the first; None where there is none.

    `numbers` are the new ones of states so far. A new number must join the state if, and only if, `plan` does.
    """
    if not left:
        return ()
    new, used = len(numbers), _used(plan.blocks)
    twins: dict[Block, list[int]] = {}  # states by what they would be
    for state, block in left.items():
        fits = (state in plan.output) == (new in keeps or state not in used)
        if fits and block.left in numbers and block.right in numbers:
            twins.setdefault(_renumbered(block, numbers), []).append(state)
    for block in sorted(twins):
        unused = [state for state in twins[block] if state not in used]
        rests = [
            _first_order({s: b for s, b in left.items() if s != state}, plan, keeps, {**numbers, state: new})
            for state in [state for state in twins[block] if state in used] + unused[:1]
        ]
        if found := [rest for rest in rests if rest is not None]:
            return block, *min(found)
    return None


def _renumbered(block: Block, numbers: Mapping[int, int]) -> Block:
    """`block` with its states' new numbers, and its sides in their order."""
    sides = sorted([(numbers[block.left], block.left_op), (numbers[block.right], block.right_op)])
    return Block(*sides[0], *sides[1], block.combine)


# ---------------------------------------------------------------------------- what stands around the cells


def auxiliary_classifier(num_classes: int, pixels: int, norm: Norm) -> dict[str, Layer]:
    """5x5/3 mean pooling, 1x1 convolution, one over all of the image, classifier; on a cell's output of `pixels`."""
    pooled = max(1, (pixels - 5) // 3 + 1)
    windows = [avg_pool(5, 3, padding=0)] if pixels >= 5 else []
    return {
        "pool": chain(last_output, relu, *windows, adaptive_avg_pool(pooled)),
        "proj": conv(128, 1, norm=norm),
        "conv": conv(768, pooled, norm=norm, padding=0),
        "fc": head(num_classes),
    }


def _pixels_in_stage_two(image_size: int) -> int:
    """Height of the second stage's cells in pixels."""
    return math.ceil(image_size / 2) if image_size <= SMALL_IMAGE else math.ceil((image_size - 1) // 2 / 8)


def init(module: nn.Module) -> None:
    """Variance 2 / fan out, which of a depthwise filter is its own kernel alone; biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        groups = module.groups if isinstance(module, nn.Conv2d) else 1
        nn.init.normal_(module.weight, std=math.sqrt(2 * groups / module.weight[:, 0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
