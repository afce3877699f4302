"""Files that are damaged, or were changed by hand or by a stranger, and every command that reads them.

A command may say in one line what is wrong, and exit with 2; or show what the file says, if that can be. What may not
be: a traceback, no end, a signal, a number that cannot be one, a file that was to be read and is another afterwards.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from nas.cli import main
from tests.attack.outcome import Kind, Outcome
from tests.attack.specimens import SPECIMENS, Command, Specimen, make

SECONDS = 20  # that a command may take, for what takes well under one
MEMORY = 16 * 2**30  # bytes of address space, for what takes well under one of memory


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """So many tries, shared out evenly over `SPECIMENS`."""
    whole, work = folder / "whole", folder / "work"
    work.mkdir()
    known = {"XDG_CACHE_HOME": str(work / "cache"), "NAS_TRUST_SPACE": "", "COLUMNS": "200"}
    with mock.patch.dict(os.environ, known), contextlib.chdir(work):
        os.environ.pop("NAS_RUNS", None)
        torch.set_num_threads(1)  # processes are forked: there must be no other thread
        specimens = SPECIMENS[:tries]
        make(work, _must, specimens)
        shutil.copytree(work, whole)
        bench = Bench(whole, work)
        for number, specimen in enumerate(specimens):
            outcome = Outcome("mutations", specimen.name)
            path = next(work.glob(specimen.path))
            for command in (*specimen.reads, *specimen.writes):  # else an attack on it would show nothing
                assert _ran(command).code == 0, f"nas {' '.join(command)} fails with sound files"
                bench.restore()
            for attempt in range(number, tries, len(SPECIMENS)):
                outcome.tries += 1
                _try(bench, specimen, path, f"{seed}:{attempt}", outcome)
            print(f"{specimen.name}: {outcome.tries} tries, {dict(outcome.counts)}", file=sys.stderr)
            yield outcome


def _try(bench: Bench, specimen: Specimen, path: Path, seed: str, outcome: Outcome) -> None:
    """Change the file `path` in the way that `seed` decides, and have it read by a command that is chosen likewise."""
    rng = random.Random(seed)
    original = path.read_bytes()
    content = rng.choice(specimen.mutators)(rng, original)
    command = rng.choice((*specimen.reads, *specimen.writes))
    path.write_bytes(content)
    ran = _ran(command)
    how = f"{path.relative_to(bench.work)}, {seed}, nas {' '.join(command)}: "
    if fault := ran.fault():
        outcome.blame(fault[0], how + fault[1])
    for name, before, after in bench.changed(path, content):
        if not _MADE.search(name) and command in specimen.reads:
            outcome.blame("lost", f"{how}it changed {name}")
        elif name.endswith("journal.log") and not after.startswith(_whole(before)):
            outcome.blame("lost", f"{how}what stood in {name} is gone")
    bench.restore()


_MADE = re.compile(r"report.*\.html|comparison\..*|scaling\..*|proxies\..*|networks\..*|.*\.driver|.*/__pycache__/.*")
"""What commands that only read write."""


@dataclass(frozen=True)
class Ran:
    """What came of a command in a process of its own: `code` is negative for the signal that ended it."""

    command: Command
    code: int
    out: str
    err: str

    def fault(self) -> tuple[Kind, str] | None:
        """What is wrong with that, if anything."""
        last = self.err.strip().rpartition("\n")[2][:300]
        if self.code == -signal.SIGALRM:
            return "hang", f"no end in {SECONDS} s"
        if self.code < 0:
            return "crash", signal.Signals(-self.code).name
        if "Traceback" in self.err or self.code not in (0, 2):
            return "traceback", f"exit code {self.code}, {last}"
        said = [line for line in self.err.splitlines() if line.startswith("nas: ")]
        if self.code == 2 and len(said) != 1:
            return "traceback", f"{len(said)} lines that say what is wrong, {last}"
        if self.code == 0 and (wrong := _impossible(self.out)):
            return "silent", wrong
        return None


def _ran(command: Command) -> Ran:
    out, err = (Path(f"../{name}") for name in ("out", "err"))
    pid = os.fork()
    if not pid:
        _run_and_exit(command, out, err)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ran(command, code, *(path.read_text("utf-8", "replace") for path in (out, err)))


def _run_and_exit(command: Command, out: Path, err: Path) -> None:
    """In a child process: never returns."""
    code = 1
    try:
        for number, path in enumerate((out, err), start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = nas(*command)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def nas(*words: str) -> int:
    """The command line, in this process: its exit code."""
    with mock.patch.object(sys, "argv", ["nas", *words]):
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return 0


def _must(*words: str) -> None:
    """As `nas`, quietly, where nothing may go wrong."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = nas(*words)
    assert code == 0, f"nas {' '.join(words)}: {said.getvalue()}"


# ------------------------------------------------------------------ what may not be

_SHARES = re.compile(r"(val_|test_)?accuracy|probability|warmup|momentum")
_COUNTS = re.compile(r"macs|params|activations|number|trials|seed|num_classes|image_size|epochs")
_TIMES = re.compile(r"seconds|latency|training_seconds|inference|bytes|images")


def _impossible(out: str) -> str:
    """A number in the output of a command that cannot be one."""
    for document in _documents(out):
        for name, value in _named(document):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and not math.isfinite(value):
                return f"{name} {value}"
            if _SHARES.fullmatch(name) and value is not None and not (number and 0 <= value <= 1):
                return f"{name} {str(value)[:60]!r}"
            if (
                _COUNTS.fullmatch(name)
                and value is not None
                and not (number and value == int(value) and 0 <= value < 2**63)
            ):
                return f"{name} {str(value)[:60]!r}"
            if _TIMES.fullmatch(name) and value is not None and not (number and value >= 0):
                return f"{name} {str(value)[:60]!r}"
    shown = "" if _is_json(out) else out
    if found := re.search(_NO_FIGURE, shown) or re.search("\x1b", out):
        return f"it shows {found[0]!r}"
    return ""


_NO_FIGURE = r"(?<!is )(?<!not )(?<!has )(?<![\w-])-?(nan|inf|NaN|Infinity)(?![\w-])|-\d[\d.]* ?[kMG]? (MACs|params)"
"""In a table; a reason may name one."""


def _is_json(out: str) -> bool:
    try:
        json.loads(out)
    except ValueError:
        return False
    return True


def _documents(out: str) -> Iterator[Any]:
    """What is JSON of the output: as a whole, or a line each."""
    try:
        yield json.loads(out)
    except ValueError:
        for line in out.splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _named(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no container, by the key that it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _named(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, name)
    else:
        yield name, value


# ------------------------------------------------------------------ files


@dataclass(frozen=True)
class Bench:
    """The folder `work` in which commands run, and how it is when it is `whole`."""

    whole: Path
    work: Path

    def changed(self, mutated: Path, content: bytes) -> Iterator[tuple[str, bytes, bytes]]:
        """Each file that is another now, or none; with what was in it, and what is. One was `mutated`."""
        for path in _files(self.whole):
            now = self.work / path.relative_to(self.whole)
            if now != mutated and _is_untouched(now, path):
                continue
            before = content if now == mutated else path.read_bytes()
            after = now.read_bytes() if now.is_file() else b""
            if before != after:
                yield str(path.relative_to(self.whole)), before, after

    def restore(self) -> None:
        """Have `work` as it was."""
        for path in _files(self.work):
            if not (self.whole / path.relative_to(self.work)).exists():
                path.unlink()
        for path in _files(self.whole):
            now = self.work / path.relative_to(self.whole)
            if not _is_untouched(now, path):
                now.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, now)


def _is_untouched(path: Path, original: Path) -> bool:
    """By its size and time: the original was copied with these."""
    if not path.is_file():
        return False
    now, then = path.stat(), original.stat()
    return (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _whole(journal: bytes) -> bytes:
    """What of a journal may not be lost: all but a torn end."""
    lines = io.BytesIO(journal).readlines()
    while lines and not _is_log(lines[-1]):
        lines.pop()
    return b"".join(lines)


def _is_log(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False
