"""`nas soup`, from fine-tunings or of trainings that there are, to what takes the folder that it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import nas
from nas.data import Dataset
from nas.final import run as training_run
from nas.soups.fine_tunings import DRAWN, drawable, varied
from nas.soups.report import in_words
from nas.soups.results import Added, Ingredient, Mixed, Soup
from nas.statistics.differences import Interval
from nas.training.recipe import Recipe

Cli = Callable[..., tuple[int, str, str]]
TRAIN = ("--data", "shapes", "--epochs", "1", "--batch-size", "20")


@pytest.fixture
def cli(few_images: None, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder with a training, `base`: exit code, output, errors."""
    assert call_nas("train", "resnet8@0.25", *TRAIN, "--out", "base")[0] == 0
    return call_nas


def soup(cli: Cli, *more: str) -> tuple[int, str, str]:
    return cli("soup", "resnet8@0.25", "--init", "base", "--members", "3", *TRAIN, "--out", "mixed", *more)


def test_fine_tunings_are_made_and_mixed(cli: Cli) -> None:
    code, out, err = soup(cli, "--mix", "uniform")
    assert code == 0 and err == ""
    assert "member 2 of 3: lr 0." in out and "Greedy soup, by validation images" in out
    assert "Note:" not in out and "Batch norms of each soup have statistics by 100 training images." in out
    tables = [line for line in out.partition("Members, by accuracy")[2].splitlines() if "  " in line]
    assert len(tables) > 10 and max(map(len, tables)) <= 80 and "mixed/member-1: lr 0." in out
    result = training_run.result_of(Path("mixed"))
    assert result is not None and result["soup"]["mix"] == "uniform" and len(result["soup"]["ingredients"]) == 3
    members = [load_file(f"mixed/member-{number}/weights.safetensors") for number in range(3)]
    mixed = load_file("mixed/weights.safetensors")
    name = next(name for name, tensor in mixed.items() if tensor.ndim == 4)
    assert torch.allclose(mixed[name], torch.stack([one[name] for one in members]).mean(0), atol=1e-6)
    assert not Path("mixed/start").exists()
    recipes = [json.loads(Path(f"mixed/member-{n}/result.json").read_text("utf-8"))["recipe"] for n in range(3)]
    assert recipes[0]["lr"] == 0.01 and len({recipe["lr"] for recipe in recipes}) == 3


def test_its_folder_is_that_of_a_training(cli: Cli) -> None:
    soup(cli)
    tested = json.loads(Path("mixed/result.json").read_text("utf-8"))
    assert cli("train", "resnet8@0.25", "--init", "mixed", *TRAIN, "--out", "further")[0] == 0
    code, out, _ = cli("export", "mixed", "--to", "state_dict", "--test", "--out", "shipped")
    assert code == 0 and "weights" in out
    assert "mean of the weights" in Path("shipped/README.md").read_text("utf-8")
    assert cli("resume", "mixed")[0] == 0
    assert cli("compare", "mixed+init=mixed", "--baselines", "none", *TRAIN, "--seeds", "1")[0] == 0
    trained = nas.soup(["mixed", "base"], out="again", mix="uniform")
    assert trained.result["soup"]["ingredients"][0]["test"] == pytest.approx(tested["test_accuracy"])
    assert all(one["akin"] for one in trained.result["soup"]["ingredients"])


def test_the_same_command_goes_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, begun = training_run.begin, []

    def stopping(folder: Path, *rest: object) -> object:
        if len(begun) == 2:
            raise KeyboardInterrupt
        begun.append(folder.name)
        return begin(folder, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("nas.final.run.begin", stopping)
        assert soup(cli)[0] == 130
    assert begun == ["member-0", "member-1"]
    assert soup(cli, "--set", "momentum=0.5")[2].startswith("nas: mixed/member-0 has another training (recipe.momentum")
    assert soup(cli)[0] == 0 and Path("mixed/result.json").is_file()
    code, _, err = soup(cli)
    assert code == 2 and "mixed has the weights of another training" in err


def test_strangers_are_warned_of(cli: Cli) -> None:
    for seed in ("1", "2"):
        cli("train", "resnet8@0.25", *TRAIN, "--seed", seed, "--out", f"seed{seed}")
    code, out, _ = cli("soup", "seed1", "seed2")
    assert code == 0 and out.count("Note: ") == 1 and "is not known to have begun with the weights of" in out
    assert "Halfway between them it is" in out and Path("resnet8@0.25-soup/weights.safetensors").is_file()


def test_a_soup_of_one_is_said_to_be_that() -> None:
    one = Ingredient("a", 0.6, 0.5, None, True, {})
    other = Ingredient("b", 0.5, 0.5, 0.2, False, {})
    mixed = (Mixed("uniform", ("a", "b"), 0.2, 0.2), Mixed("greedy", ("a",), 0.6, 0.5))
    steps = (Added("a", 0.6, 0.5, True), Added("b", 0.2, 0.2, False))
    alone = Soup("accuracy", "greedy", "a", 0, (one, other), mixed, steps, Interval(0.0, 0.0, 0.0))
    said = in_words(alone)
    assert said.endswith("The greedy soup is a alone: with any other member it was worse.")
    assert "Halfway between them it is 20.0 %, at the two ends 50.0 % and 60.0 %" in said and "Batch norms" not in said


def test_new_rows_are_the_same_for_all_members(cli: Cli) -> None:
    code, _, err = soup(cli, "--fresh", "fc")
    assert code == 0, err
    start = load_file("mixed/start/weights.safetensors")
    head = [name for name, tensor in start.items() if tensor.shape[:1] == (4,) and tensor.ndim == 2]
    base = load_file("base/weights.safetensors")
    assert head and not torch.equal(start[head[0]], base[head[0]])
    jobs = [json.loads(Path(f"mixed/member-{n}/training.json").read_text("utf-8"))["job"] for n in range(3)]
    assert len({job["start"]["sha256"] for job in jobs}) == 1 and jobs[0]["start"]["fresh"] == []


MISTAKES = {
    ("base", "other"): "base is resnet8@0.25 and other is resnet8@0.5: a soup is of one architecture, and `nas fuse`",
    ("base",): "only base is there to go into the soup: name two trainings or more",
    ("base", "base/"): "only base is there",
    ("base", "small"): "base and small were trained on images of other pixels",
    ("base", "resnet20"): "resnet20 has no trained weights",
    ("base", "other", "--lr", "0.1"): "--lr: of fine-tunings to be made, which --init WEIGHTS --members 5 asks for",
    ("base", "--members", "3"): "--members are fine-tunings of the same weights",
    ("base", "other", "--init", "base", "--members", "3"): "--members fine-tunes one network: name it alone",
}


def test_a_mistake_is_one_line(cli: Cli) -> None:
    cli("train", "resnet8@0.5", *TRAIN, "--out", "other")
    cli("train", "resnet8@0.25", *TRAIN, "--image-size", "12", "--out", "small")
    for args, message in MISTAKES.items():
        code, _, err = cli("soup", *args)
        assert code == 2 and message in err and err.count("\n") == 1, args
        assert not Path("resnet8@0.25-soup").exists()


def test_recipes_vary_around_the_first(tiny: Dataset) -> None:
    recipe = Recipe(lr=0.01)
    drawn = drawable(tiny)
    found = [varied(recipe, number, 0, drawn) for number in range(30)]
    assert found[0] == recipe and len({one.lr for one in found}) == 30 and drawn == list(DRAWN)
    assert all(0.0033 <= one.lr <= 0.03 for one in found)
    assert {one.policy for one in found} == {"none", "trivialaugment"} and {one.mixup for one in found} == {0, 0.2}
    assert found == [varied(recipe, number, 0, drawn) for number in range(30)]
    assert {one.policy for one in (varied(recipe, n, 0, drawable(tiny, ["policy"])) for n in range(30))} == {"none"}
