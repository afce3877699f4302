"""`nas baselines` and `nas baselines show`."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.cli import common, completion, panels
from nas.cli.checking import checking
from nas.cli.help import Command, Group, examples
from nas.cli.options import Json

app = typer.Typer(
    cls=Group,
    rich_markup_mode="rich",
    epilog=examples("nas baselines --sort params", "nas baselines --data cifar10", "nas baselines show resnet50"),
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        autocompletion=completion.baselines,
        help="As in resnet50, mobilenet_v1@0.5-160, wrn16-8 or googlenet+bn.",
    ),
]
Sort = Annotated[str, typer.Option(help="year, name, params, macs, top1 or top5.", rich_help_panel=panels.OUTPUT)]
Data = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.data,
        help="For cifar10, cifar100 or shapes: the networks and forms made for it.",
        rich_help_panel=panels.DATA,
    ),
]


@app.callback(invoke_without_command=True)
@checking("baselines")
def baselines(context: typer.Context, sort: Sort = "year", data: Data = None, as_json: Json = False) -> None:
    """List the hand-designed networks, or show one.

    `nas baselines show NAME` prints one as the rows of its paper's table.
    """
    if context.invoked_subcommand is not None:
        return
    from nas.baselines.listing import listing
    from nas.cli.tables import baselines_table, order_of_baselines
    from nas.data import shape_of

    order = order_of_baselines(sort)  # first: to list them takes seconds
    networks = sorted(listing(shape_of(data) if data else None), key=order)
    if as_json:
        common.print_json([network.to_dict() for network in networks])
    else:
        common.to_stdout(baselines_table(networks))


@app.command(cls=Command, epilog=examples("nas baselines show resnet50", "nas baselines show resnet20 --data cifar10"))
@checking("baselines show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Print a network as rows, like its paper's table: what each puts out and costs."""
    from dataclasses import asdict

    from nas.baselines.listing import listed, rows_of
    from nas.cli.tables import baseline_table
    from nas.data import shape_of

    network = listed(name, shape_of(data) if data else None)
    rows = rows_of(network)
    if as_json:
        common.print_json(network.to_dict() | {"rows": [asdict(row) for row in rows]})
    else:
        common.to_stdout(baseline_table(network, rows))
