"""`nas top --csv`: what a spreadsheet reads is what the ledger has."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from torch import nn

from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.trials_csv import trials_csv
from nas.samplers import distributions
from searchspaces import Arch, Choice, Space


@dataclass(frozen=True)
class Awkward(Space):
    """Options with commas and quotes, and a choice that is called as a figure is."""

    name: ClassVar[str] = "awkward"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("stem.op", ('3x3, "fast"', "5x5")), Choice("seed", (1, 2))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def awkward(tmp_path: Path, config: Config) -> Run:
    space = Awkward()
    run = Run.create(tmp_path / "runs" / "awkward", dataclasses.replace(config, space=space), Budget(trials=3))
    with run.driving() as study:
        for reason in ("", 'RuntimeError: "a, b"\nand a second line'):
            trial = study.ask(distributions(space))
            for name, value in {"accuracy": 0.5, "macs": 100, "seed": 7, "seconds": 1.5, "loss": 0.25}.items():
                trial.set_user_attr(name, value)
            trial.set_user_attr("reason", reason)
            study.tell(trial, 0.5)
        study.ask()  # its process died before it had a choice
    return run


def test_every_figure_and_choice_has_a_column_and_survives_quoting(awkward: Run) -> None:
    rows = awkward.rows()
    trials = awkward.study.get_trials(deepcopy=False)
    first, second, third = read(trials_csv(awkward.config.space, trials, rows))
    assert {"number", "state", "id", "architecture", "accuracy", "reward", "macs", "params", "activations", "latency",
            "seconds", "reason", "duplicate_of", "told", "score", "metric", "loss", "seed", "stem.op",
            "choice.seed"} == first.keys()  # fmt: skip
    options = awkward.config.space.options(rows[0].arch)
    assert first["stem.op"] == options["stem.op"] and first["choice.seed"] == str(options["seed"])
    assert (first["seed"], first["loss"], first["seconds"], first["latency"]) == ("7", "0.25", "1.5", "")
    assert second["reason"] == 'RuntimeError: "a, b"\nand a second line'
    assert third["state"] == "running" and third["stem.op"] == third["choice.seed"] == third["architecture"] == ""


def test_the_command_prints_all_trials_the_best_first(call_nas, run: Run) -> None:
    space = run.config.space
    with run.driving() as study:
        for reward in [i / 20 for i in range(12)]:
            study.tell(study.ask(distributions(space)), reward)
    folder = str(run.path.parent)
    code, out, err = call_nas("top", "one", "--csv", "--runs-dir", folder)
    rows = read(out)
    assert code == 0 and not err and [float(row["reward"]) for row in rows] == [i / 20 for i in range(11, -1, -1)]
    assert all(choice.name in rows[0] for choice in space.choices)
    listed = json.loads(call_nas("top", "one", "--json", "--runs-dir", folder)[1])
    assert [row["architecture"] for row in rows] == [row["architecture"] for row in listed]
    code, _, err = call_nas("top", "one", "--csv", "--json", "--runs-dir", folder)
    assert code == 2 and err == "nas: --csv and --json are two formats: give one of them\n"
