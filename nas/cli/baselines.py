"""`nas baselines` and `nas baselines show`."""

from __future__ import annotations

import inspect
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

import typer

from nas.checks.kinds import LINE
from nas.cli import common
from nas.cli.command import command
from nas.cli.help import Command, Group, examples
from nas.options import panels
from nas.options.groups import MAYBE_LINE, PrintOptions
from nas.options.option import Option

app = typer.Typer(
    cls=Group,
    rich_markup_mode="rich",
    epilog=examples("nas baselines --sort params", "nas baselines --data cifar10", "nas baselines show resnet50"),
)

Data = Annotated[
    str | None,
    Option(
        MAYBE_LINE,
        "For cifar10, cifar100 or shapes: the networks and forms made for it.",
        panels.DATA,
        completes="data",
    ),
]


@dataclass(frozen=True, kw_only=True)
class BaselinesOptions(PrintOptions):
    """Of `nas baselines`."""

    sort: Annotated[str, Option(LINE, "year, name, params, macs, top1 or top5.", panels.OUTPUT)] = "year"
    data: Data = None


def baselines(asked: BaselinesOptions) -> None:
    """List the hand-designed networks, or show one.

    `nas baselines show NAME` prints one as the rows of its paper's table.
    """
    from nas.baselines.listing import listing
    from nas.cli.tables import baselines_table, order_of_baselines
    from nas.data import shape_of

    order = order_of_baselines(asked.sort)  # first: to list them takes seconds
    networks = sorted(listing(shape_of(asked.data) if asked.data else None), key=order)
    if asked.as_json:
        common.print_json([network.to_dict() for network in networks])
    else:
        common.to_stdout(baselines_table(networks))


@dataclass(frozen=True)
class ShowOptions(PrintOptions):
    """Of `nas baselines show`."""

    name: Annotated[
        str,
        Option(
            LINE,
            "As in resnet50, mobilenet_v1@0.5-160, wrn16-8 or googlenet+bn.",
            metavar="NAME",
            completes="baselines",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    data: Data = None


def show(asked: ShowOptions) -> None:
    """Print a network as rows, like its paper's table: what each puts out and costs."""
    from dataclasses import asdict

    from nas.baselines.listing import listed, rows_of
    from nas.cli.tables import baseline_table
    from nas.data import shape_of

    network = listed(asked.name, shape_of(asked.data) if asked.data else None)
    rows = rows_of(network)
    if asked.as_json:
        common.print_json(network.to_dict() | {"rows": [asdict(row) for row in rows]})
    else:
        common.to_stdout(baseline_table(network, rows))


def _unless_shown() -> Any:
    """`baselines`, but where a command follows, which then does the work."""
    listing = command(BaselinesOptions, baselines, opens=False)

    def called(context: typer.Context, **given: Any) -> None:
        if context.invoked_subcommand is None:
            listing(**given)

    signature = inspect.signature(listing)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    called.__signature__ = signature.replace(parameters=[context, *signature.parameters.values()])  # type: ignore[attr-defined]
    called.__annotations__ = listing.__annotations__ | {"context": typer.Context}
    called.__doc__ = baselines.__doc__
    return called


app.callback(invoke_without_command=True)(_unless_shown())
app.command(cls=Command, epilog=examples("nas baselines show resnet50", "nas baselines show resnet20 --data cifar10"))(
    command(ShowOptions, show, opens=False)
)
