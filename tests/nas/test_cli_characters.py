"""Output never fails for its characters, whatever the encoding of a terminal, a pipe or a file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from nas.cli import main
from nas.cli.characters import SPELLED, plain, spell_plainly

CODE = "from nas.cli import main; main()"
EVERYWHERE = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
)


def write_table(file: Path) -> None:
    """Made-up results of every architecture of NAS-Bench-Macro."""
    archs = product(range(3), repeat=8)
    rows = {"".join(map(str, arch)): {"test_acc": [50 + sum(arch)], "mean_acc": 60} for arch in archs}
    file.write_text(json.dumps(rows), encoding="utf-8")


def printed(encoding: str, text: str) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    spell_plainly(stream, None)
    print(text, end="", file=stream, flush=True)
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_what_an_encoding_lacks_is_spelled_with_what_it_has() -> None:
    text = "61.5 ± 0.4 %, 3 × 3, café, 0.1 → 0.2, …, 日, bytes \udcff"
    assert printed("ascii", text) == "61.5 +- 0.4 %, 3 x 3, cafe, 0.1 -> 0.2, ..., \\u65e5, bytes \\udcff"
    assert printed("cp1252", text) == "61.5 ± 0.4 %, 3 × 3, café, 0.1 -> 0.2, …, \\u65e5, bytes \\udcff"
    assert printed("utf-8", text) == text.replace("\udcff", "\\udcff")
    assert plain("\N{COMBINING ACUTE ACCENT}") == ""
    assert all(spelled.isascii() for spelled in SPELLED.values())


@pytest.mark.parametrize("environment", EVERYWHERE, ids=["ascii", "cp1252", "C"])
def test_a_search_of_a_class_of_any_name_is_said_anywhere(tmp_path: Path, environment: dict[str, str]) -> None:
    write_table(tmp_path / "tablé×.json")

    def nas(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", CODE, *arguments],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "LANG")} | environment,
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 0 and b"Traceback" not in ended.stderr, ended.stderr
        return ended.stdout.decode("ascii" if "ascii" in environment.values() else "cp1252")

    searched = nas(
        *("search", "--space", "nasbench_macro", "--evaluator", "table", "--table", "tablé×.json", "--trials", "2"),
        *("--name", "é"),
    )
    assert "looked up in tabl" in searched and "2 trials done" in searched
    assert "best: " in nas("top", "é")


def test_every_deviation_is_printed_in_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", written)
    write_table(tmp_path / "table.json")
    arguments = ("--space", "nasbench_macro", "--table", "table.json", "--seeds", "2", "--evaluations", "4")
    monkeypatch.setattr(sys, "argv", ["nas", "bench", *arguments, "--strategy", "random", "--jobs", "1"])
    with pytest.raises(SystemExit) as end:
        main()
    written.flush()
    assert end.value.code == 0
    assert " +- " in written.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
