"""The command line: each command reads its options and calls the library.

torch, optuna and ray are imported inside the commands that need them, so `nas --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import process
from nas.cli import baselines, bench, compare, export, predict, proxy_study, report, scale, search, show, train
from nas.cli.characters import spell_plainly

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Neural architecture search for image networks.",
)
for command in (
    search.search, search.resume, search.top, train.train, compare.compare, show.show, scale.scale, export.export,
    predict.predict, report.report, report.dashboard, bench.bench, proxy_study.proxy_study,
):  # fmt: skip
    app.command()(command)
app.add_typer(baselines.app, name="baselines")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"nas {version('nas')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version)] = False,
) -> None:
    pass


_UsageError: Any = typer.BadParameter.__base__  # click's, which typer carries with it and does not name


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2."""
    spell_plainly(sys.stdout, sys.stderr)
    process.prepare()
    sys.path.append(str(Path.cwd()))  # --space mypackage.module:MySpace is looked for here, too
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (ValueError, _UsageError) as error:
        message = error.format_message() if isinstance(error, _UsageError) else str(error)
        print(f"nas: {' '.join(message.split())}", file=sys.stderr)
        code = 2
    except BrokenPipeError:  # `nas top RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # no space, no permission
        print(f"nas: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
