"""The command line: each command reads its options and calls the library.

torch, optuna and ray are imported inside the commands that need them, so `nas --help` answers at once.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

import nas
from nas.cli import (
    baselines,
    bench,
    compare,
    export,
    fuse,
    latency_table,
    look,
    outside,
    predict,
    proxy_study,
    repair,
    report,
    runs,
    scale,
    search,
    show,
    soup,
    supernet,
    train,
)
from nas.cli.characters import spell_plainly
from nas.cli.command import command
from nas.cli.common import to_stderr
from nas.cli.help import Command, Group, Stopped, examples, prose
from nas.cli.mistakes import UsageError, in_a_line, shortened
from nas.devices import process
from nas.devices.halted import Halted
from nas.options.commands import (
    ExportOptions,
    FuseOptions,
    LatencyTableOptions,
    LookOptions,
    SearchOptions,
    SoupOptions,
    SupernetOptions,
    TrainOptions,
)
from nas.options.groups import OutputOptions

app = typer.Typer(
    cls=Group,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural architecture search for image networks: find one for your data, train it, compare it, use it.",
    epilog=examples(
        "nas search --data shapes2 --trials 10 --name first",
        "nas train first:best",
        "nas predict first:best photo.jpg",
        "nas search -h",
    ),
)

STUDY = "Study"
COMMANDS: dict[str, dict[Callable[..., None], tuple[str, ...]]] = {
    "Find a network": {
        command(SearchOptions, search.search, opens=False): (
            "nas search --data shapes2 --budget 5m",
            "nas search --data folder:pictures --image-size 64 --name pictures",
            "nas search --space mnas --strategy evolution --trials 50 --workers 2",
        ),
        command(search.ResumeOptions, search.resume): ("nas resume pictures", "nas resume pictures --budget 2h"),
        command(SupernetOptions, supernet.supernet): (
            "nas supernet --space mnas --width 0.5 --data cifar10 --epochs 30",
            "nas supernet --space nasbench_macro --truth nas-bench-macro_cifar10.json",
        ),
        command(outside.AskOptions, outside.ask): ("nas ask pictures", "nas ask pictures -n 4 --json"),
        command(outside.TellOptions, outside.tell): (
            "nas tell pictures TEXT --json",
            "nas tell pictures --file results.json",
        ),
        command(OutputOptions, runs.runs): ("nas runs", "nas runs --json"),
        command(search.TopOptions, search.top): ("nas top pictures", "nas top pictures --pareto"),
        command(report.ReportOptions, report.report): (
            "nas report pictures",
            "nas report pictures others --out both.html",
        ),
        command(report.DashboardOptions, report.dashboard): ("nas dashboard pictures",),
        command(repair.RepairOptions, repair.repair): ("nas repair pictures",),
    },
    "Train and compare": {
        command(TrainOptions, train.train): (
            "nas train pictures:best --epochs 30",
            "nas train resnet20 --data cifar10 --epochs 30",
        ),
        command(compare.CompareOptions, compare.compare): (
            "nas compare pictures",
            "nas compare pictures:17 resnet20 --epochs 10 --seeds 5",
        ),
        command(FuseOptions, fuse.fuse): (
            "nas fuse resnet8-trained shufflenet-trained pictures:best",
            "nas fuse compare-1 --by-class --out fusion.json",
        ),
        command(SoupOptions, soup.soup): (
            "nas soup resnet20 --init resnet20-trained --members 5 --epochs 3",
            "nas soup first-trained second-trained third-trained --out mixed",
        ),
        command(scale.ScaleOptions, scale.scale): (
            "nas scale --base pictures:best --phi 0..3 --table",
            "nas scale --target-macs 1G",
        ),
    },
    "Use a network": {
        command(predict.PredictOptions, predict.predict): (
            "nas predict pictures:best holiday.jpg",
            "nas predict pictures-best-trained photos/ --csv",
        ),
        command(ExportOptions, export.export): ("nas export pictures:best --to onnx,standalone --out shipped",),
        command(LookOptions, look.look): (
            "nas look pictures:best",
            "nas look pictures:best --images holiday.jpg --layers all --out all.html",
        ),
        command(show.ShowOptions, show.show): ("nas show pictures:best", "nas show resnet20 --draw resnet20.svg"),
    },
    STUDY: {
        command(bench.BenchOptions, bench.bench, opens=False): (
            "nas bench --space nasbench_macro --table nas-bench-macro_cifar10.json",
        ),
        command(proxy_study.ProxyStudyOptions, proxy_study.proxy_study): (
            "nas proxy-study --space compact --networks 12 --full 50k",
        ),
        command(LatencyTableOptions, latency_table.latency_table, opens=False): (
            "nas latency-table --space compact --max-macs 8M --out here.json",
            "nas latency-table --cost-command latency='ssh pi ./bench {onnx}'",
        ),
    },
}
"""The panels of `nas --help`, the commands in them, and examples of each."""

for panel, commands in COMMANDS.items():
    for called, lines in commands.items():
        app.command(cls=Command, help=prose(called), rich_help_panel=panel, epilog=examples(*lines))(called)
app.add_typer(baselines.app, name="baselines", rich_help_panel=STUDY)


def _version(asked: bool) -> None:
    """Those that a report of a fault needs; torch's by its metadata, for importing it takes a second."""
    if not asked:
        return
    try:
        torch = f"torch {version('torch')}"
    except PackageNotFoundError:
        torch = "no torch"
    print(f"nas {nas.__version__} ({torch}, Python {platform.python_version()})")
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions of nas, PyTorch and Python.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2, a run that was halted 1."""
    spell_plainly(sys.stdout, sys.stderr)
    process.prepare()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="nas", standalone_mode=False)
    except (ValueError, UsageError) as error:
        to_stderr(f"nas: {in_a_line(error)}")
        code = 2
    except Halted as halt:
        to_stderr(f"nas: {in_a_line(halt)}")
        code = 1
    except BrokenPipeError:  # `nas top RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # no space, no permission
        said = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        to_stderr(f"nas: {shortened(said)}")
        code = 2
    except (Stopped, KeyboardInterrupt, typer.Abort) as stop:
        for number in (signal.SIGINT, signal.SIGTERM):  # once more: at once, whatever is still being tidied up
            signal.signal(number, signal.SIG_DFL)
        if not getattr(stop, "notes", []):
            print("nas: stopped", file=sys.stderr)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(*_: object) -> None:
    """SIGTERM is as Ctrl-C: batch systems, containers and `kill` end a process by it, and no network is to blame."""
    raise KeyboardInterrupt
