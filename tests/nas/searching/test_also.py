"""`--also`: a search that chooses fields of the recipe together with the network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.comparison.experiment import read
from nas.data import Dataset
from nas.joint.space import JointSpace
from nas.ledger.trials_csv import trials_csv
from nas.searching import control
from nas.training.recipe import Recipe
from searchspaces import Compact, Mnas

CallNas = Callable[..., tuple[int, str, str]]

QUICK: dict[str, Any] = {
    "data": "shapes", "image_size": 16, "subset": 100, "batch_size": 20, "space": "mnas", "width": 0.1, "name": "j"
}  # fmt: skip
JOINT = QUICK | {"also": "lr,weight_decay=0/0.0005,resolution=8/16"}
SPACE = Mnas(width=0.1, image_size=16)
FIRST = SPACE.format(tuple(0 for _ in SPACE.choices))


pytestmark = pytest.mark.usefixtures("few_images")


@pytest.mark.parametrize("strategy", ["random", "controller", "ppo", "evolution", "local-search", "bananas", "tpe"])
def test_every_strategy_chooses_the_recipe_too(strategy: str, pretended: None) -> None:
    run = nas.search(**JOINT, strategy=strategy, trials=6)
    for trial in run.trials:
        assert trial.recipe.keys() == {"lr", "weight_decay", "resolution"}
        assert trial.text.endswith(f",resolution={trial.recipe['resolution']}")
        assert nas.load(f"j:{trial.number}").image_size == trial.recipe["resolution"] == trial.blueprint.image_size
        assert run.study.trials[trial.number].params["recipe.lr"] == trial.recipe["lr"]
    if strategy != "local-search":  # which goes by one choice at a time
        assert len({json.dumps(dict(trial.recipe)) for trial in run.trials}) > 1


def test_a_trial_is_trained_by_its_own_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.engines import local

    recipes: dict[int, Recipe] = {}
    run_trial = local.run_trial

    def watched(spec: Any, *rest: Any) -> Any:
        recipes[spec.number] = spec.recipe
        return run_trial(spec, *rest)

    monkeypatch.setattr("nas.engines.local.run_trial", watched)
    also = "lr=0.01/0.02,augment=plain/cutout,resolution=8/16"
    run = nas.search(**JOINT | {"also": also}, strategy="random", trials=4)
    assert [trial.state for trial in run.trials] == ["complete"] * 4
    for trial in run.trials:
        recipe, own = recipes[trial.number], trial.recipe
        assert (recipe.lr, recipe.image_size, recipe.batch_size) == (own["lr"], own["resolution"], 20)
        assert recipe.cutout == (int(own["resolution"]) // 4 if own["augment"] == "cutout" else 0)
        assert trial.macs == trial.blueprint.cost.macs


def test_a_stopped_search_goes_on_as_if_nothing_was(pretended: None) -> None:
    whole = nas.search(**JOINT | {"name": "whole"}, strategy="ppo", trials=6)

    def stop(trial: nas.Trial) -> None:
        if trial.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nas.search(**JOINT, strategy="ppo", trials=6, on_trial=stop)
    run = nas.open("j").resume()
    assert [row.architecture for row in run.rows()] == [row.architecture for row in whole.rows()]
    space = run.config.space
    assert isinstance(space, JointSpace) and run.config == nas.open("j").config
    assert space.asked == ("lr=0.0125/0.025/0.05/0.1/0.2", "weight_decay=0/0.0005", "resolution=8/16")


def test_limits_hold_at_each_trials_resolution(pretended: None) -> None:
    run = nas.search(
        **QUICK | {"space": "compact", "width": None}, also="resolution=8/16", max_macs="1M", trials=8, seed=1
    )
    trained = [trial for trial in run.trials if trial.state == "complete"]
    assert {trial.recipe["resolution"] for trial in trained} == {8, 16}
    assert all(trial.macs is not None and trial.macs <= 1_000_000 for trial in trained)
    best = run.best
    again = nas.load(best.text)
    assert (again.cost, again.image_size, again.recipe) == (best.blueprint.cost, best.recipe["resolution"], best.recipe)
    assert run.config.networks == Compact(image_size=16, max_macs=1_000_000, num_classes=4)


def test_what_a_person_knows_before_may_have_a_recipe(pretended: None) -> None:
    own = [FIRST, f"{FIRST}+lr=0.2", f"mnas@0.1:{FIRST}+weight_decay=0,resolution=8"]
    run = nas.search(**JOINT, trials=3, enqueue=own, prior="lr=0.2:5,0.1:2", strategy="ppo")
    recipes = [dict(row.recipe) for row in run.rows()]
    assert recipes[0] == {"lr": 0.05, "weight_decay": 0.0005, "resolution": 16}
    assert recipes[1] == recipes[0] | {"lr": 0.2} and recipes[2] == {"lr": 0.05, "weight_decay": 0, "resolution": 8}


def test_other_programs_ask_and_tell_with_it(pretended: None) -> None:
    run = nas.search(**JOINT, strategy="outside", trials=6)
    asked = run.ask(2)
    assert all(",resolution=" in one.text for one in asked)
    told = run.tell([{"text": one.text, "accuracy": 0.5} for one in asked])
    assert [one.number for one in told] == [0, 1]
    (further,) = run.tell([f"mnas@0.1:{FIRST}+lr=0.1"])
    assert further.recipe == {"lr": 0.1, "weight_decay": 0.0005, "resolution": 16}


def test_the_control_is_of_the_same_space(pretended: None) -> None:
    run = nas.search(**JOINT, trials=3, control=True)
    random = run.control
    assert random is not None and control.is_control(random.config, run.config)
    assert random.config.space == run.config.space and all(trial.recipe for trial in random.trials)


def test_tables_have_the_recipe(call_nas: CallNas, pretended: None) -> None:
    run = nas.search(**JOINT, strategy="random", trials=3)
    _, said, _ = call_nas("top", "j")
    header, best = said.splitlines()[0].split(), run.best
    assert header[header.index("lr") : header.index("lr") + 3] == ["lr", "weight_decay", "resolution"]
    assert f"best: j:{best.number}, {best.text}\n" in said
    found = list(csv.DictReader(io.StringIO(trials_csv(run.config.space, run.study.trials, run.rows()))))
    assert [row["recipe.lr"] for row in found] == [str(row.recipe["lr"]) for row in run.rows()]
    assert json.loads(call_nas("top", "j", "--json")[1])[0]["recipe"] == dict(best.recipe)
    assert call_nas("report", "j")[0] == 0
    page = Path("runs/j/report.html").read_text(encoding="utf-8")
    assert "each trial has lr=0.0125/0.025/0.05/0.1/0.2, weight_decay=0/0.0005, resolution=8/16" in page


def test_a_search_without_has_none_of_it(pretended: None) -> None:
    run = nas.search(**QUICK, trials=1)
    assert run.trials[0].recipe == {} and "recipe" not in run.trials[0].to_dict() and "+" not in run.trials[0].text


def test_the_recipe_goes_with_the_network(call_nas: CallNas, pretended: None) -> None:
    also = "lr=0.01/0.02,label_smoothing=0/0.2,resolution=8/12"
    best = (run := nas.search(**JOINT | {"also": also}, trials=3, strategy="random")).best
    code, said, _ = call_nas("train", "j:best", "--epochs", "1", "--subset", "40", "--batch-size", "20")
    assert code == 0 and "own       lr 0.0" in said and "the recipe has these from the search" in said
    trained = json.loads((run.path / f"trained-{best.number}" / "result.json").read_text(encoding="utf-8"))
    assert trained["image_size"] == trained["recipe"]["image_size"] == best.recipe["resolution"]
    assert (trained["recipe"]["lr"], trained["recipe"]["batch_size"]) == (best.recipe["lr"], 20)
    short = ("--epochs", "1", "--lr", "0.3", "--subset", "40", "--out", "b")
    _, said, _ = call_nas("train", best.text, "--data", "shapes", *short)
    assert "but for what you give: lr" in said
    again = json.loads(Path("b/result.json").read_text(encoding="utf-8"))
    assert again["recipe"] == trained["recipe"] | {"lr": 0.3, "batch_size": 64}
    file = json.loads(Path("b/architecture.json").read_text(encoding="utf-8"))
    assert file["recipe"] == dict(best.recipe) and nas.load("b").recipe == best.recipe
    assert call_nas("show", f"j:{best.number}", "--format", "text")[1].strip() == best.text


def test_a_file_has_no_other_fields_of_a_recipe(call_nas: CallNas, pretended: None) -> None:
    nas.search(**JOINT, trials=1)
    document = json.loads(nas.load("j:best").to_json())
    Path("x.json").write_text(json.dumps(document | {"recipe": {"epochs": 1_000}}))
    code, _, said = call_nas("train", "x.json")
    assert code == 2 and "a network has no 'epochs' of a recipe by itself" in said and said.count("\n") == 1


def test_the_final_network_has_its_own_recipe() -> None:
    fast = JOINT | {"also": "lr=0.01/0.02,resolution=8/16", "subset": 40, "trials": 2, "strategy": "random"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nas.training.presets.PRESETS["strong"], "epochs", 1)  # type: ignore[index, attr-defined]
        run = nas.search(**fast, final="strong")
    final = json.loads((run.path / "trained-final" / "result.json").read_text(encoding="utf-8"))
    own = nas.load("j:final").recipe
    assert (final["recipe"]["lr"], final["image_size"]) == (own["lr"], own["resolution"])
    assert final["recipe"]["batch_size"] == 128  # the preset's


def test_a_comparison_is_by_one_recipe_and_has_the_other_apart(call_nas: CallNas) -> None:
    run = nas.search(**JOINT | {"also": "lr=0.01/0.02,resolution=8/12"}, trials=3, strategy="random")
    compared = nas.compare("j", epochs=1, subset=40, batch_size=20, seeds=2, baselines="resnet8", name="c", lr=0.03)
    (found,) = read(compared)
    assert [result.name for result in found.own] == ["j:best by its own recipe"]
    assert "j:best" in [result.name for result in found.all] and len(found.all) == 2 and found.planned == 1
    own, one = found.own[0], next(result for result in found.all if result.found)
    assert own.size.macs < one.size.macs and not found.missing  # each at its own resolution
    jobs = [compared.config.job((0, number)).recipe for number in range(3)]
    assert [job.lr for job in jobs] == [0.03, run.best.recipe["lr"], 0.03]
    assert [job.image_size for job in jobs] == [16, run.best.recipe["resolution"], 16]
    assert call_nas("compare", "--report", "c")[0] == 0
    said = (compared.path / "comparison.md").read_text(encoding="utf-8")
    assert "### By recipes of their own, so not beside the others" in said and "not one recipe with the others" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"also": "lr=0.1"}, "lr=0.1 leaves nothing to choose"),
        ({"also": "depth"}, "'depth' is no field that can be chosen"),
        ({"also": "policy", "evaluator": "table", "table": "x.csv"}, "one result of each network, by one recipe"),
        ({"also": "augment", "signal": "loss"}, "with other augment a loss is another thing"),
        ({"also": "subset=10/20"}, "cannot choose subset"),
        ({"also": "progressive", "recipe": {"seconds": 3}}, "progressive goes by epochs"),
        ({"also": "batch_size=1/2"}, "batch_size must be at least 2 images"),
    ],
)
def test_mistakes_are_told_in_a_line_before_anything_is_trained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        nas.search(**QUICK | options, trials=1)
    assert "\n" not in str(caught.value) and not Path("runs").exists()


def test_an_option_that_the_data_refuse_is_named(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = replace(tiny, train=replace(tiny.train, pixels=tiny.train.pixels.repeat(1, 1, 1, 2)[..., :5].contiguous()))
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: grey)
    with pytest.raises(ValueError, match="--also policy=trivialaugment: policy changes the colours"):
        nas.search(**QUICK, also="policy=none/trivialaugment", trials=1)


def test_the_command_line_says_the_further_choices_first(call_nas: CallNas, pretended: None) -> None:
    code, said, _ = call_nas(
        "search", "--data", "shapes", "--image-size", "16", "--subset", "100", "--space", "compact", "--max-macs",
        "200k", "--trials", "3", "--also", "lr,weight_decay", "--also", "resolution=8/16", "--name", "j",
    )  # fmt: skip
    assert code == 0 and said.startswith("also      each trial has its own lr=0.0125/0.025/0.05/0.1/0.2\n")
    assert "a limit of macs is of each network at its own resolution" in said and "images at 8 or 16 pixels" in said
    code, _, said = call_nas("search", "--also", "lr=1", "--data", "shapes")
    assert code == 2 and said.count("\n") == 1
    code, _, said = call_nas("bench", "--also", "lr", "table.csv")
    assert code == 2 and "--also" in said
