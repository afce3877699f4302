"""Cells that were published, and the text that DARTS and its successors publish cells in.

    Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...], normal_concat=[2, 3, 4, 5],
             reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ...], reduce_concat=[2, 3, 4, 5])

Two pairs of an operation and a state are a block, their sum the next state; `concat` are the states that are joined as
the cell's output. State 0 there is h_i-1 and state 1 is h_i, the other way round than in `searchspaces.cells`. Where
blocks do not all add, the text has `normal_combine` and `reduce_combine` too, one 'add' or 'concat' a block.
"""

from __future__ import annotations

import ast
from typing import Any

from searchspaces.cells import Block, Cell, Genotype

# Figure 4 of Zoph et al. (2017, arXiv:1707.07012), lists of outputs as in its authors' TF-slim code: h_i-1 in the
# normal cell and the second block in the reduction cell are joined although blocks use them, too.
NASNET_A = Genotype(
    normal=Cell(
        blocks=(
            Block(0, "sep5x5", 1, "sep3x3"),
            Block(1, "sep5x5", 1, "sep3x3"),
            Block(0, "avg3x3", 1, "identity"),
            Block(1, "avg3x3", 1, "avg3x3"),
            Block(0, "sep3x3", 0, "identity"),
        ),
        output=(1, 2, 3, 4, 5, 6),
    ),
    reduction=Cell(
        blocks=(
            Block(0, "sep5x5", 1, "sep7x7"),
            Block(0, "max3x3", 1, "sep7x7"),
            Block(0, "avg3x3", 1, "sep5x5"),
            Block(3, "identity", 2, "avg3x3"),
            Block(2, "sep3x3", 0, "max3x3"),
        ),
        output=(3, 4, 5, 6),
    ),
)

# Figure 5 of Real, Aggarwal, Huang, Le: "Regularized Evolution for Image Classifier Architecture Search" (2018,
# arXiv:1802.01548), as DARTS's authors have it in their code (quark0/darts, cnn/genotypes.py).
AMOEBANET_A = Genotype(
    normal=Cell(
        blocks=(
            Block(1, "avg3x3", 0, "max3x3"),
            Block(1, "sep3x3", 2, "sep5x5"),
            Block(1, "sep3x3", 3, "avg3x3"),
            Block(0, "sep3x3", 0, "identity"),
            Block(1, "identity", 0, "avg3x3"),
        ),
        output=(4, 5, 6),
    ),
    reduction=Cell(
        blocks=(
            Block(1, "avg3x3", 0, "sep3x3"),
            Block(1, "max3x3", 2, "sep7x7"),
            Block(1, "sep7x7", 0, "avg3x3"),
            Block(1, "max3x3", 0, "max3x3"),
            Block(1, "1x7-7x1", 5, "sep3x3"),
        ),
        output=(3, 4, 6),
    ),
)

# Figures 4 and 5 of Liu, Simonyan, Yang: "DARTS: Differentiable Architecture Search" (2018, arXiv:1806.09055), found by
# its second-order approximation. All blocks are joined.
DARTS_V2 = Genotype(
    normal=Cell(
        blocks=(
            Block(1, "sep3x3", 0, "sep3x3"),
            Block(1, "sep3x3", 0, "sep3x3"),
            Block(0, "sep3x3", 1, "identity"),
            Block(1, "identity", 2, "dilsep3x3"),
        ),
        output=(2, 3, 4, 5),
    ),
    reduction=Cell(
        blocks=(
            Block(1, "max3x3", 0, "max3x3"),
            Block(2, "identity", 0, "max3x3"),
            Block(1, "max3x3", 2, "identity"),
            Block(2, "identity", 0, "max3x3"),
        ),
        output=(2, 3, 4, 5),
    ),
)

# Our names of operations, and those of the text; DARTS has none for the last four.
DARTS_NAMES = {
    "identity": "skip_connect",
    "avg3x3": "avg_pool_3x3",
    **{f"max{k}x{k}": f"max_pool_{k}x{k}" for k in (3, 5, 7)},
    **{f"sep{k}x{k}": f"sep_conv_{k}x{k}" for k in (3, 5, 7)},
    **{f"dilsep{k}x{k}": f"dil_conv_{k}x{k}" for k in (3, 5)},
    "1x7-7x1": "conv_7x1_1x7",
    "1x3-3x1": "conv_3x1_1x3",
    "conv1x1": "conv_1x1",
    "conv3x3": "conv_3x3",
    "dil3x3": "conv_3x3_dilated",
}
OURS = {theirs: ours for ours, theirs in DARTS_NAMES.items()}
SWAPPED = {0: 1, 1: 0}  # the two inputs; every other state has one number


def format_genotype(genotype: Genotype) -> str:
    """`genotype` as text, in one line."""
    fields: dict[str, object] = {}
    for name, plan in zip(("normal", "reduce"), genotype, strict=True):
        sides = [side for b in plan.blocks for side in ((b.left_op, b.left), (b.right_op, b.right))]
        fields[name] = [(DARTS_NAMES[op], SWAPPED.get(state, state)) for op, state in sides]
        fields[f"{name}_concat"] = sorted(SWAPPED.get(state, state) for state in plan.output)
        if any(block.combine != "add" for block in plan.blocks):
            fields[f"{name}_combine"] = [block.combine for block in plan.blocks]
    return f"Genotype({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def parse_genotype(text: str) -> Genotype:
    """The inverse of `format_genotype`. Nothing in `text` is run. Raises ValueError that says what does not fit."""
    try:
        call: ast.expr | None = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    if call is None or not (arguments := _call_of("Genotype", call)) or arguments.args:
        raise ValueError("a genotype is written Genotype(normal=[...], normal_concat=[...], reduce=..., ...)")
    fields = {str(keyword.arg): _literal(str(keyword.arg), keyword.value) for keyword in arguments.keywords}
    plans = [
        _cell(name, *(fields.pop(f"{name}{part}", None) for part in ("", "_concat", "_combine")))
        for name in ("normal", "reduce")
    ]
    if fields:
        raise ValueError(f"a genotype has no {', '.join(fields)}")
    return Genotype(*plans)


def _call_of(name: str, node: ast.expr) -> ast.Call | None:
    """`node` where it calls what is called `name`."""
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name else None


def _literal(name: str, node: ast.expr) -> Any:
    """The value of a literal, or of `range(2, 6)`, which some write for the states that are joined."""
    try:
        if call := _call_of("range", node):
            return range(*map(ast.literal_eval, call.args))
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"a genotype's {name} is a list of names and numbers, written out") from None


def _cell(name: str, sides: Any, concat: Any, combine: Any) -> Cell:
    if not isinstance(sides, list | tuple) or not sides or len(sides) % 2:
        raise ValueError(f"a genotype's {name} is a list of (operation, state), two a block")
    blocks = len(sides) // 2
    combine = ["add"] * blocks if combine is None else combine
    if not isinstance(combine, list | tuple) or len(combine) != blocks or not set(combine) <= {"add", "concat"}:
        raise ValueError(f"a genotype's {name}_combine is 'add' or 'concat' for each of its {blocks} blocks")
    read = [_side(name, side, earlier=2 + i // 2) for i, side in enumerate(sides)]
    plan = tuple(Block(*read[2 * i], *read[2 * i + 1], combine[i]) for i in range(blocks))
    return Cell(plan, _states(name, concat, 2 + blocks))


def _side(name: str, side: Any, earlier: int) -> tuple[int, str]:
    match side:
        case (str(op), int(state)) if op in OURS and 0 <= state < earlier:
            return SWAPPED.get(state, state), OURS[op]
    raise ValueError(
        f"{side!r} in a genotype's {name} is not one of the operations {', '.join(OURS)} on a state below {earlier}"
    )


def _states(name: str, concat: Any, states: int) -> tuple[int, ...]:
    fits = isinstance(concat, list | tuple | range) and all(isinstance(s, int) and 0 <= s < states for s in concat)
    if not fits or not concat or len(set(concat)) != len(concat):
        raise ValueError(f"a genotype's {name}_concat is a list of different states below {states}, not {concat!r}")
    return tuple(sorted(SWAPPED.get(state, state) for state in concat))
