"""What somebody else chose acts on no terminal: it is shown spelled, wherever it is shown."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image
from rich.console import Console

from nas.ledger.run import CONFIG, Run
from nas.report.markup import tag
from nas.text import console
from nas.text.columns import table
from nas.text.live import Plain, live
from nas.text.visible import visible, visible_in_line
from nas.training.announcement import class_list

CallNas = Callable[..., tuple[int, str, str]]
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egpj"
SPELLED = r"\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egpj"
BEGINS = SPELLED[:30]  # a line end is a space in an error
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def test_what_acts_is_spelled_and_nothing_else() -> None:
    assert visible(EVIL) == visible_in_line(EVIL) == SPELLED
    assert visible("a\n\tb") == "a\n\tb" and visible_in_line("a\n\tb") == r"a\n\tb"
    assert visible_in_line("café 😀, b\udce9") == "café 😀, b\\udce9"
    assert visible("日本 é ± · 🌷 \N{ZERO WIDTH JOINER} \\x1b") == "日本 é ± · 🌷 \N{ZERO WIDTH JOINER} \\x1b"
    assert not ACTING.search(visible("".join(map(chr, range(0x110000)))))


def test_every_way_to_say_something_spells_it() -> None:
    out = io.StringIO()
    console.say(EVIL, out)
    assert out.getvalue() == SPELLED + "\n"
    assert SPELLED in table(("a",), [(EVIL + "\n",)]) and r"\n" in table(("a",), [("\n",)])
    assert class_list((EVIL, "b\nc")) == rf"{SPELLED}, b\nc"
    assert tag("p", {"title": EVIL}, EVIL) == f'<p title="{SPELLED}">{SPELLED}</p>'
    terminal = io.StringIO()
    shown = live(Plain(terminal, width=200), lambda width: [EVIL])
    Console(file=terminal, width=200).print(shown.get_renderable())
    assert SPELLED in terminal.getvalue() and "\x07" not in terminal.getvalue()


@pytest.mark.parametrize(
    "words", [("top",), ("top", "--csv"), ("top", "--json"), ("report",), ("resume", "--workers", "0")]
)
def test_a_ledger_s_fields_are_spelled(run: Run, words: tuple[str, ...], call_nas: CallNas) -> None:
    study = run.study
    trial = study.ask()
    trial.set_user_attr("reason", EVIL)
    trial.set_user_attr("id", EVIL)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    (run.path / CONFIG).write_text(json.dumps(json.loads((run.path / CONFIG).read_text()) | {"command": ["nas", EVIL]}))
    evil = run.path.rename(run.path.with_name(f"one{EVIL}"))
    code, out, error = call_nas(words[0], evil.name, *words[1:], "--runs-dir", str(evil.parent))
    assert code in (0, 2) and not ACTING.search(out + error)
    if words == ("report",):
        page = next(evil.glob("*.html")).read_text(encoding="utf-8")
        assert SPELLED in page and not ACTING.search(page)


@pytest.mark.parametrize(
    "words", [("runs",), ("top", f"no{EVIL}"), ("show", f"./{EVIL}"), ("train", "resnet8", f"--{EVIL}")]
)
def test_names_of_files_and_arguments_are_spelled(run: Run, words: tuple[str, ...], call_nas: CallNas) -> None:
    run.path.rename(run.path.with_name(f"one{EVIL}"))
    code, out, error = call_nas(*words, *(["--runs-dir", str(run.path.parent)] if words[0] != "train" else []))
    assert code in (0, 2) and BEGINS in out + error and not ACTING.search(out + error)


def test_a_stranger_s_folder_of_classes_acts_on_nothing(tmp_path: Path) -> None:
    for name in (f"rose{EVIL}", f"tulip\nnas: all is well {EVIL}"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    words = ["train", "resnet8", "--data", "folder:photos", "--image-size", "16", "--epochs", "1", "--batch-size", "4"]
    command = [sys.executable, "-c", "from nas.cli import main; main()", *words, "--lr", "0.001"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=environment)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0 and SPELLED in said and not ACTING.search(said), said
    assert "\nnas: all is well" not in said
