"""What `nas scale` says of a network: its factors, by the formula and as published, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.checks.costs import kind_of
from nas.scale.costs import Further, title
from nas.scale.family import Member, by_formula, memory
from nas.text.columns import table
from nas.text.units import format_bytes, format_seconds


def facts(m: Member, batch_size: int, further: Mapping[str, float] | None = None) -> dict[str, Any]:
    """For `--json`: the network, what the formula alone would give, and its memory in bytes, computed.

    `further` are costs that were asked for.
    """
    plain = by_formula(m.base, m.phi, m.compound)
    formula = {"name": plain.network.name, **_json_factors(plain), "params": plain.cost.params, "macs": plain.cost.macs}
    bytes_needed = {"inference": memory(m), "training": memory(m, batch_size), "batch_size": batch_size}
    also = {"costs": dict(further)} if further else {}
    return m.to_dict() | {"formula": formula, "memory": bytes_needed, "architecture": m.architecture()} | also


def _json_factors(m: Member) -> dict[str, Any]:
    return {"width": m.at.width, "depth": m.at.depth, "image_size": m.image_size, "dropout": m.dropout}


def family_table(members: Sequence[Member], batch_size: int, further: Further | None = None) -> str:
    """A row a network, with a column for each of `further` costs."""
    names = further.shown if further else ()
    costs = [further.of(m) if further and names else {} for m in members]
    header = (
        "phi",
        "network",
        "width",
        "depth",
        "pixels",
        "dropout",
        "params",
        "MACs",
        "activations",
        "memory",
        *map(title, names),
        "from",
    )
    rows = [
        (
            f"{m.phi:g}",
            m.network.name,
            *_factors(m),
            f"{m.cost.params:,}",
            f"{m.cost.macs:,}",
            f"{m.cost.activations:,}",
            format_bytes(memory(m, batch_size)),
            *(kind_of(name).format(of[name]) for name in names),
            _origin(m),
        )
        for m, of in zip(members, costs, strict=True)
    ]
    legend = "\n".join([_units(batch_size), *(further.legend if further else [])])
    return f"{table(header, rows, words=['network', 'from'])}\n\n{legend}"


def _factors(m: Member) -> tuple[str, str, str, str]:
    return f"{m.at.width:g}", f"{m.at.depth:g}", str(m.image_size), f"{m.dropout:g}"


def _origin(m: Member) -> str:
    return "published" if m.published else "formula"


def _units(batch_size: int) -> str:
    return (
        "MACs: multiply-adds of convolutions and linear layers for one image.\nmemory: the most that the tensors of a "
        f"training step of {batch_size} images take in float32, computed, without what kernels and the framework take."
    )


def explained(
    m: Member, batch_size: int, image_seconds: float | None, device: str, further: Further | None = None,
    costs: Mapping[str, float] | None = None,
) -> str:  # fmt: skip
    """All about one network: which factors were used and why, and what it costs; `costs` are those of `further`."""
    formula = by_formula(m.base, m.phi, m.compound) if m.published else m
    columns = {"formula": formula} | ({"published": m} if m.published else {})
    names = ("width", "depth", "image size", "dropout", "params", "MACs")
    cells = [(*_factors(c), f"{c.cost.params:,}", f"{c.cost.macs:,}") for c in columns.values()]
    header = ("", *(f"{name} (used)" if c is m and m.published else name for name, c in columns.items()))
    rows = [(name, *of) for name, of in zip(names, zip(*cells, strict=True), strict=True)]
    one, many = format_bytes(memory(m)), format_bytes(memory(m, batch_size))
    spent = [
        f"activations  {m.cost.activations:,}",
        f"memory       {one} for inference with one image, {many} to train {batch_size} at once (computed: tensors "
        "in float32 at their peak)",
        *([f"time         {format_seconds(image_seconds)} an image, measured on {device}"] if image_seconds else []),
    ]
    if further and costs:
        spent += [f"{title(name):<13}{kind_of(name).format(costs[name])}" for name in further.shown]
        spent += further.legend
    heading = f"{m.network.name}: {m.base.name} at phi {m.phi:g}, for {m.base.num_classes:,} classes"
    return "\n\n".join([heading, table(header, rows), _why(m, formula), "\n".join(spent)])


def _why(m: Member, formula: Member) -> str:
    base = by_formula(m.base, 0.0, m.compound)
    grown = (
        f"alpha, beta, gamma are {m.compound}: multiply-adds grow {m.compound.ratio**m.phi:.3g} times by the formula, "
        f"{formula.cost.macs / base.cost.macs:.3g} times in the network that it builds"
    )
    if not m.published:
        return f"{grown}.\nUsed is the formula, with channels, layers and pixels rounded."
    said = []
    for name, factor, of in zip(("width", "depth", "image size"), m.at, _growth(m), strict=True):
        said.append(f"{math.log(factor) / math.log(of):.2g} by its {name}")
    which = f"it would be phi {', '.join(said)}" if m.phi else "at phi 0 they are the same"
    return (
        f"{grown}, {m.cost.macs / base.cost.macs:.3g} times in the published one.\n"
        f"Used is what its authors published, chosen by hand; by the formula {which}."
    )


def _growth(m: Member) -> tuple[float, float, float]:
    return m.compound.beta, m.compound.alpha, m.compound.gamma
