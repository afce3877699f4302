"""What a person knows before a search: own networks are the first trials, and options are drawn by weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.samplers import STRATEGIES
from nas.searching import control
from nas.training.trial import State
from searchspaces import Mnas

QUICK: dict[str, Any] = {
    "data": "shapes", "image_size": 16, "subset": 100, "batch_size": 20, "space": "mnas", "width": 0.1, "name": "mine"
}  # fmt: skip
SPACE = Mnas(width=0.1, image_size=16)
FIRST = tuple(0 for _ in SPACE.choices)
OWN = [SPACE.format(arch) for arch in SPACE.neighbours(FIRST)[:3]]


pytestmark = pytest.mark.usefixtures("few_images")


def architectures(run: nas.Run) -> list[str]:
    return [row.architecture for row in run.rows()]


# ---------------------------------------------------------------------------- own networks


@pytest.mark.parametrize("strategy", ["random", "controller", "tpe", "evolution"])
def test_own_networks_are_the_first_trials_in_their_order(strategy: str, pretended: None) -> None:
    assert strategy in STRATEGIES
    Path("ideas.txt").write_text(f"# mine\n{OWN[1]}\n\n{OWN[0]}  # the second\nmnas@0.1:{OWN[2]}\n")
    run = nas.search(**QUICK, strategy=strategy, trials=5, enqueue="ideas.txt")
    assert architectures(run)[:3] == [OWN[1], OWN[0], OWN[2]] and len(run.rows()) == 5
    assert run.config.enqueue == (OWN[1], OWN[0], OWN[2]) and nas.open("mine").config == run.config


def test_a_run_that_was_stopped_goes_on_with_them(pretended: None) -> None:
    whole = nas.search(**QUICK | {"name": "whole"}, strategy="ppo", trials=6, enqueue=OWN)

    def stop(trial: nas.Trial) -> None:
        if trial.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nas.search(**QUICK, strategy="ppo", trials=6, enqueue=OWN, on_trial=stop)
    Path("ideas.txt").unlink(missing_ok=True)
    run = nas.open("mine").resume()
    assert architectures(run) == architectures(whole) and architectures(run)[:3] == OWN


def test_those_above_a_limit_are_told_so_and_repeats_are_left_out(pretended: None, capsys: Any) -> None:
    largest = tuple(len(choice.options) - 1 for choice in SPACE.choices)
    own = [SPACE.format(largest), OWN[0], OWN[0]]
    macs = 1 + nas.load(f"mnas@0.1:{OWN[0]}").cost.macs
    run = nas.search(**QUICK, strategy="random", trials=2, enqueue=own, limits={"macs": macs}, progress="lines")
    rows = run.rows()
    assert [row.architecture for row in rows[:2]] == own[:2]
    assert rows[0].state == State.PRUNED and "more than --max-macs" in rows[0].reason
    assert rows[1].state in (State.COMPLETE, State.FAILED) and own[1] not in architectures(run)[2:]
    assert "first     2 networks of your own before all others; 1 repeat another" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"# ideas\n{OWN[0]}\nk3\n", r"ideas\.txt, line 3: mnas: expected"),
        ("# nothing\n\n", "--enqueue ideas.txt has no network"),
        (None, "cannot read ideas.txt"),
    ],
)
def test_a_line_that_is_no_network_is_named_before_anything_begins(content: str | None, said: str) -> None:
    if content is not None:
        Path("ideas.txt").write_text(content)
    with pytest.raises(ValueError, match=said):
        nas.search(**QUICK, trials=2, enqueue="ideas.txt")
    assert not Path("runs", "mine").exists()


def test_the_original_stays_the_first(pretended: None) -> None:
    how = {name: value for name, value in QUICK.items() if name not in ("space", "width")}
    space = nas.search(**how | {"name": "one"}, space="around:resnet8", trials=1, strategy="random").config.space
    (own,) = [space.format(arch) for arch in space.neighbours(space.parse("as-is"))[:1]]
    run = nas.search(**how, space="around:resnet8", trials=3, strategy="random", enqueue=[own])
    assert architectures(run)[:2] == ["as-is", own]


def test_who_asks_is_given_them_first_and_resume_trains_them(pretended: None) -> None:
    run = nas.search(**QUICK, strategy="outside", trials=5, enqueue=OWN)
    assert [trial.architecture for trial in run.ask(1)] == OWN[:1]
    run.tell(OWN[1])
    run.resume()
    assert architectures(run) == OWN and all(row.state != State.RUNNING for row in run.rows())


# ---------------------------------------------------------------------------- weights on options


def test_a_search_draws_by_its_prior(pretended: None, capsys: Any) -> None:
    kind, option = SPACE.choices[0].kind, SPACE.choices[0].options[-1]
    run = nas.search(**QUICK, strategy="random", trials=10, prior=f"{kind}={option}:50", progress="lines")
    chosen = [run.config.space.options(row.arch) for row in run.rows()]
    names = [choice.name for choice in SPACE.choices if choice.kind == kind]
    shares = [one[name] == option for one in chosen for name in names]
    assert sum(shares) > 0.8 * len(shares)
    assert f"prior     options are drawn by the weights {kind}={option}:50, all others by 1" in capsys.readouterr().out
    plain = replace(run.config, prior=())
    assert run.config.prior and nas.open("mine").config == run.config != plain


def test_a_prior_that_nobody_draws_by_is_refused() -> None:
    with pytest.raises(ValueError, match="--prior is for strategies of ours, and tpe draws by itself"):
        nas.search(**QUICK, strategy="tpe", trials=2, prior="kernel=3:2")
    with pytest.raises(ValueError, match="--prior speed: there are the kinds"):
        nas.search(**QUICK, trials=2, prior=["speed=3:2"])
    assert not Path("runs", "mine").exists()


def test_the_control_knows_nothing_of_it(pretended: None) -> None:
    kind, option = SPACE.choices[0].kind, SPACE.choices[0].options[-1]
    run = nas.search(**QUICK, strategy="evolution", trials=3, prior=f"{kind}={option}:9", enqueue=OWN, control=True)
    beside = control.find(run)
    assert beside is not None and (beside.config.prior, beside.config.enqueue) == ((), ())
    assert not {*OWN} & {*architectures(run.control)}  # type: ignore[arg-type]
