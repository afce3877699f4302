"""Other programs ask a run for networks and tell it of some: in the same ledger, under the same limits."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.data import Dataset
from nas.files import sole_process
from nas.ledger.journal import lock_of
from nas.searching import control
from nas.training.trial import State
from searchspaces import Compact

QUICK: dict[str, Any] = {"data": "shapes", "image_size": 16, "subset": 100, "batch_size": 20}


pytestmark = pytest.mark.usefixtures("few_images")


def begun(**how: Any) -> nas.Run:
    """A run that other programs propose for."""
    usual = {"space": "compact", "width": 0.25, "strategy": "outside", "trials": 6, "name": "mine"}
    return nas.search(**QUICK | usual | how)


def texts(run: nas.Run, count: int) -> list[str]:
    """So many different networks of its space."""
    space = run.config.space
    first = tuple(0 for _ in space.choices)
    return [space.format(arch) for arch in space.neighbours(first)[:count]]


# ---------------------------------------------------------------------------- the run


def test_a_run_is_made_and_nothing_is_trained(pretended: None, capfd: pytest.CaptureFixture[str]) -> None:
    run = begun()
    assert run.config.strategy == "outside" and not run.rows() and capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="outside is another program's, and has no settings here"):
        begun(name="two", strategy_settings={"batch": 2})
    with pytest.raises(ValueError, match="with --strategy outside make a run for each --seed"):
        begun(name="two", seeds=2)


def test_what_is_told_is_trained_by_the_recipe(pretended: None) -> None:
    run = begun()
    one, two, three = texts(run, 3)
    trial = run.tell(one)
    assert isinstance(trial, nas.Trial) and trial.state in (State.COMPLETE, State.FAILED)
    assert trial.architecture == one and not trial.told and trial.macs
    several = run.tell([two, {"text": three}])
    assert isinstance(several, list) and [row.architecture for row in several] == [two, three]
    assert [row.number for row in nas.open("mine").rows()] == [0, 1, 2]
    assert run.study.trials[0].system_attrs["fixed_params"] == run.config.space.options(trial.arch)


def test_the_same_ledger_as_a_search_makes_of_these_networks(pretended: None) -> None:
    """Reward, costs and ids are those of the run's own search."""
    own = nas.search(**QUICK, space="compact", width=0.25, strategy="random", trials=3, name="own", target_macs="1M")
    run = begun(target_macs="1M")
    for trial in own.trials:
        run.tell(trial.text)
    plain = [{k: v for k, v in row.to_dict().items() if k != "seconds"} for row in own.rows()]
    assert plain == [{k: v for k, v in row.to_dict().items() if k != "seconds"} for row in run.rows()]


def test_a_network_is_named_as_every_command_does(pretended: None) -> None:
    run = begun(space=Compact(max_macs=300_000, image_size=16), width=None)
    (text,) = texts(run, 1)
    trial = run.tell(text)
    assert isinstance(trial, nas.Trial)
    whole = trial.text
    assert whole.startswith("compact@") and run.tell(whole).duplicate_of == 0  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"'compact@0\.5:' is another space than this run's compact@"):
        run.tell(f"compact@0.5:{text}")
    with pytest.raises(ValueError, match="expected"):
        run.tell("k3")


def test_in_a_database_as_well(tmp_path: Path, pretended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/ledger.db")
    run = begun(storage=f"sqlite:///{tmp_path}/ledger.db")
    (asked,) = run.ask()
    assert run.tell(asked, accuracy=0.5).told and run.tell(texts(run, 1)[0]).number == 1  # type: ignore[union-attr]
    assert [row.told for row in nas.open("mine").rows()] == [True, False]


def test_who_is_stopped_is_told_how_to_go_on(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt
        yield

    run = begun()
    monkeypatch.setattr("nas.engines.local.run_trial", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.tell(texts(run, 1)[0], progress="lines")
    assert "`nas tell mine` of the same, or `nas resume mine`, does it again." in capsys.readouterr().out
    assert [(row.state, row.number) for row in run.rows()] == [(State.RUNNING, 0)]


# ---------------------------------------------------------------------------- ask


def test_what_is_asked_for_is_kept_and_told_with_a_result(pretended: None) -> None:
    run = begun()
    asked = run.ask(3)
    assert [trial.state for trial in asked] == [State.RUNNING] * 3 and len({t.architecture for t in asked}) == 3
    assert not {t.architecture for t in nas.open("mine").ask(2)} & {t.architecture for t in asked}
    told = run.tell(asked[1], accuracy=0.61)
    assert isinstance(told, nas.Trial) and told.number == 1 and (told.state, told.reward) == (State.COMPLETE, 0.61)
    assert told.told and told.reason == "told from outside, not trained by the recipe" and run.best == told
    failed = run.tell({"trial": 2, "failed": "its board burnt", "seconds": 3})
    assert (failed.state, failed.reason, failed.seconds) == (State.FAILED, "its board burnt", 3.0)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="trial 1 of mine has ended, and its result stands"):
        run.tell(1, accuracy=0.99)


def test_what_was_asked_for_may_be_trained_here_by_its_text(pretended: None) -> None:
    run = begun()
    asked = run.ask(2)
    trial = run.tell(asked[1].text)
    assert trial.number == 1 and trial.state != State.RUNNING and len(run.rows()) == 2  # type: ignore[union-attr]


def test_resume_trains_what_was_asked_for_and_the_control(pretended: None) -> None:
    run = begun(control=True)
    run.ask(3)
    run.tell(texts(run, 1)[0])
    run.resume()
    assert run.ended.startswith("4 trials done: that is all that --trials allows"), run.ended
    assert all(row.state != State.RUNNING for row in run.rows()) and len(run.rows()) == 4
    assert run.control is not None and len(run.control.rows()) == 4, "as many networks as were trained from outside"


def test_the_strategy_of_any_run_is_asked(pretended: None) -> None:
    """A run that is stopped: it proposes what it would have trained, and learns from what is told."""
    whole = nas.search(**QUICK, space="compact", width=0.25, strategy="ppo", trials=8, name="whole")
    half = nas.search(**QUICK, space="compact", width=0.25, strategy="ppo", trials=4, name="half")
    for _ in range(4):
        (trial,) = half.ask(trials=8)
        half.tell(trial.text, trials=8)
    assert [row.architecture for row in half.rows()] == [row.architecture for row in whole.rows()]


# ---------------------------------------------------------------------------- limits


def test_a_network_above_a_limit_is_refused_with_its_costs(pretended: None) -> None:
    run = begun(limits={"params": 270}, trials=2)
    space = run.config.space
    largest = tuple(len(choice.options) - 1 for choice in space.choices)
    large = [space.format(arch) for arch in (largest, *space.neighbours(largest))]
    trial = run.tell(large[0])
    assert isinstance(trial, nas.Trial) and trial.state == State.PRUNED and trial.params and trial.params > 270
    assert trial.reason.startswith("not trained: ") and "--max-params 270" in trial.reason
    refused = run.tell({"text": large[1], "accuracy": 0.9})
    assert refused.state == State.PRUNED and refused.reward is None  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"mine: .*proposed 200 trained or too large networks in a row"):
        run.ask()


def test_the_budget_is_that_of_the_run(pretended: None) -> None:
    run = begun(trials=3)
    run.ask(1)
    some = run.tell(texts(run, 4))
    assert isinstance(some, list) and len(some) == 2, "one is kept for who asked"
    assert run.ended == "that is all that --trials allows"
    for more in (run.ask, lambda: run.tell(texts(run, 6)[5])):
        with pytest.raises(ValueError, match="mine: that is all that --trials allows"):
            more()
    assert run.tell(texts(run, 6)[5], trials=4).number == 3  # type: ignore[union-attr]


def test_a_repeat_costs_nothing(pretended: None) -> None:
    run = begun(trials=2)
    (text,) = texts(run, 1)
    first, again = run.tell([text, text])  # type: ignore[misc]
    assert again.duplicate_of == first.number and again.reward == first.reward
    told = run.tell(texts(run, 2)[1], accuracy=0.5)
    assert run.tell(told.architecture).told, "it is told of the repeat, too"  # type: ignore[union-attr]


# ---------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "?", "speed": 3}, "nothing is told by speed: there are trial, text, costs"),
        ({"accuracy": 0.5}, 'a network is told by its "text" or by its "trial"'),
        ({"trial": 0, "accuracy": 61}, "accuracy must be at most 1, not 61"),
        ({"trial": 0, "score": 0.5}, "accuracy is what it is judged by"),
        ({"trial": 0, "accuracy": 0.5, "score": 0.5}, "judged by accuracy: leave out score"),
        ({"trial": 0, "seconds": 3}, "seconds are of a training elsewhere"),
        ({"trial": 9, "accuracy": 0.5}, "mine has no trial 9: it has 1, from 0"),
        ({"trial": 0, "costs": {"macs": "many"}, "accuracy": 0.5}, "costs macs"),
        (True, "networks must be a network's text, a trial, its number"),
    ],
)
def test_what_says_too_little_is_refused(given: Any, said: str, pretended: None) -> None:
    run = begun()
    run.ask()
    with pytest.raises(ValueError, match=said):
        run.tell(given)
    assert [row.state for row in run.rows()] == [State.RUNNING]


def test_of_a_list_all_or_nothing(pretended: None) -> None:
    run = begun()
    one, two = texts(run, 2)
    run.tell(one, accuracy=0.5)
    with pytest.raises(ValueError, match="has a result already, and can have no other"):
        run.tell([two, {"text": one, "accuracy": 0.6}])
    with pytest.raises(ValueError, match="has a result already"):
        run.tell([{"text": two, "accuracy": 0.6}, {"text": two, "accuracy": 0.7}])
    assert len(run.rows()) == 1


def test_costs_that_only_the_other_program_knows_are_in_the_reward(pretended: None) -> None:
    run = begun(target_latency="10ms", limits={"latency": "1s"})
    (text,) = texts(run, 1)
    with pytest.raises(ValueError, match=r'trained elsewhere: add "costs": \{"latency": "4ms"\}'):
        run.tell(text, accuracy=0.5)
    trial = run.tell({"text": text, "accuracy": 0.5, "costs": {"latency": "20ms", "macs": 1}})
    assert isinstance(trial, nas.Trial) and trial.latency == 0.02 and trial.macs and trial.macs > 1
    assert trial.reward == pytest.approx(0.5 * 2**-0.07)
    above = run.tell({"text": texts(run, 2)[1], "accuracy": 0.5, "costs": {"latency": 2}})
    assert above.state == State.PRUNED  # type: ignore[union-attr]


def test_by_a_loss_the_loss_is_told(pretended: None) -> None:
    run = begun(signal="loss")
    (text,) = texts(run, 1)
    with pytest.raises(ValueError, match="loss is what its reward is of"):
        run.tell(text, accuracy=0.5)
    assert run.tell({"text": text, "accuracy": 0.5, "loss": 0.0}).reward == 1.0  # type: ignore[union-attr]


def test_a_comparison_with_the_control_says_what_was_told(pretended: None) -> None:
    run = begun()
    for number, text in enumerate(texts(run, 3)):
        run.tell(text, accuracy=number / 10)
    found = control.compare(run.rows(), run.rows())
    assert found is not None and found.told == 3
    assert "3 results of the search were told from outside, not trained by its recipe." in control.to_text(found)


# ---------------------------------------------------------------------------- several programs


def test_who_is_second_waits(pretended: None) -> None:
    run = begun()
    done = threading.Event()

    def tell() -> None:
        run.tell(texts(run, 1)[0])
        done.set()

    with sole_process(lock_of(run.path / "journal.log"), "busy"):
        thread = threading.Thread(target=tell)
        thread.start()
        assert not done.wait(1.0)
    thread.join(20)
    assert done.is_set() and len(run.rows()) == 1


PROGRAM = """
import sys
import nas

run = nas.open("mine")
space = run.config.space
archs = space.neighbours(space.parse(run.ask(1)[0].architecture))
for arch in archs[:6]:
    run.tell(space.format(arch))
    run.tell(run.ask(1)[0], accuracy=0.5)
"""


def test_programs_at_the_same_time_lose_and_double_nothing() -> None:
    rows = {"".join(map(str, arch)): {"test_acc": [sum(arch)], "mean_acc": 50} for arch in product(range(3), repeat=8)}
    Path("table.json").write_text(json.dumps(rows))
    run = nas.search(space="nasbench_macro", table="table.json", strategy="outside", trials=60, name="mine")
    programs = [subprocess.Popen([sys.executable, "-c", PROGRAM]) for _ in range(2)]
    try:
        assert [program.wait(300) for program in programs] == [0, 0]
    finally:
        for program in programs:
            program.kill()
    rows = run.rows()
    assert len(rows) == 2 * 13 and [row.number for row in rows] == list(range(26))
    assert sum(row.state == State.RUNNING for row in rows) == 2 and sum(row.told for row in rows) == 12
    own = [run.config.space.canonical(row.arch) for row in rows if row.duplicate_of is None]
    assert len(own) == len(set(own)), "no network is trained twice"


# ---------------------------------------------------------------------------- the command line


def test_an_agent_works_by_json(call_nas: Any, pretended: None) -> None:
    usual = ("--data", "shapes", "--image-size", "16", "--subset", "100", "--batch-size", "20", "--trials", "6")
    code, out, err = call_nas(
        "search", "--space", "compact", "--width", "0.25", "--strategy", "outside", "--name", "m", *usual
    )
    assert code == 0 and "nas tell m TEXT --json" in out, err
    code, out, _ = call_nas("ask", "m", "-n", "2", "--json")
    asked = json.loads(out)
    assert code == 0 and [one["trial"] for one in asked["networks"]] == [0, 1] and asked["trials_left"] == 4
    assert asked["networks"][0].keys() == {"trial", "text", "costs"}
    Path("told.jsonl").write_text("\n".join(json.dumps(one | {"accuracy": 0.5}) for one in asked["networks"]))
    code, out, _ = call_nas("tell", "m", "--file", "told.jsonl", "--json")
    told = json.loads(out)
    assert code == 0 and [one["told"] for one in told["networks"]] == [True, True] and told["best"]["reward"] == 0.5
    run = nas.open("m")
    code, out, _ = call_nas("tell", "m", texts(run, 1)[0], "--json")
    (trained,) = json.loads(out)["networks"]
    assert code == 0 and trained["trial"] == 2 and not trained["told"] and trained["costs"]["macs"] > 0
    code, out, _ = call_nas("ask", "m")
    assert code == 0 and out.startswith("trial   3  compact@") and "best: " in out
    code, out, _ = call_nas("top", "m")
    assert "told from outside, not trained by the recipe" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"trial": 0}\n{"tri', "told.json, line 2: no JSON"),
        ("", "nothing is told: told.json is empty"),
        ("[[1]]", "networks must be a network's text"),
        ("[[]]", "networks must be a network's text"),
    ],
)
def test_a_file_that_tells_nothing_is_named(content: str, said: str, call_nas: Any, pretended: None) -> None:
    begun()
    Path("told.json").write_text(content)
    code, out, err = call_nas("tell", "mine", "--file", "told.json")
    assert code == 2 and out == "" and said in err and len(err.splitlines()) == 1


def test_text_and_file_are_one_too_many(call_nas: Any) -> None:
    code, _, err = call_nas("tell", "mine", "k3", "--file", "x.json")
    assert code == 2 and "TEXT and --file both say what is told" in err
    code, _, err = call_nas("ask", "nobody")
    assert code == 2 and "no run called nobody" in err


def test_only_a_search_is_asked(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.load_test", lambda name, place=None, **how: tiny.val)
    run = nas.compare(["resnet8"], seeds=1, epochs=1, **QUICK | {"name": "c"})
    with pytest.raises(ValueError, match="c is no search: only a search is asked and told"):
        run.ask()
