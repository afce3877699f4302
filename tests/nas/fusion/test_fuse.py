"""`nas fuse`: of trained folders and of a comparison's predictions, what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nas
from nas.data import Dataset, Images
from nas.data.targets import Targets
from nas.fusion.judging import TEST, VAL, Judging
from nas.fusion.report import in_words
from nas.fusion.results import Fusion, Voter, fuse
from searchspaces.cost import Cost

Cli = Callable[..., tuple[int, str, str]]
TRAIN = ("--data", "shapes", "--epochs", "1", "--batch-size", "20")


@pytest.fixture
def cli(few_images: None, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder with two trainings, `a` and `b` of fewer pixels: exit code, output, errors."""
    assert call_nas("train", "resnet8@0.25", *TRAIN, "--out", "a")[0] == 0
    assert call_nas("train", "resnet8@0.5", *TRAIN, "--image-size", "12", "--out", "b")[0] == 0
    return call_nas


def test_trained_networks_vote(cli: Cli) -> None:
    code, out, err = cli("fuse", "a", "b/", "--by-class", "--out", "f.json")
    assert code == 0 and err == "" and out.endswith("\nwrote f.json\n")
    tables = [line for line in out.splitlines() if re.search(r"\S  +\S", line)]
    assert max(map(len, tables)) <= 80 and "uniform" in out and "by class" in out
    said = json.loads(Path("f.json").read_text("utf-8"))
    assert [one["name"] for one in said["alone"]] == ["a", "b"] and said["images"] == {"validation": 20, "test": 20}
    for one in said["alone"]:  # each saw the images as in its training
        result = json.loads(Path(one["name"], "result.json").read_text("utf-8"))
        assert (one["val"], one["test"]) == (result["val_accuracy"], result["test_accuracy"])
        assert one["size"]["macs"] == result["macs"] and one["size"]["params"] == result["params"]
    uniform = said["votes"][0]
    assert uniform["size"]["macs"] == sum(one["size"]["macs"] for one in said["alone"])
    assert uniform["weights"] == {"a": 0.5, "b": 0.5} and [v["name"] for v in said["votes"]][-2:] == [
        "by class",
        "greedy",
    ]
    assert said["pairs"][0]["first"] == "a" and said["steps"][0]["name"] == said["best"]
    fusion = nas.fuse(["a", "b"])
    assert isinstance(fusion, Fusion) and fusion.votes[0].test == uniform["test"]
    assert json.loads(cli("fuse", "a", "b", "--json")[1])["best"] == said["best"]


def test_a_comparison_votes_without_images(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = ("compare", "resnet8@0.25", "resnet8@0.3", "--baselines", "none", *TRAIN)
    assert cli(*compare, "--seeds", "2", "--ensemble", "--name", "c")[0] == 0
    assert cli(*compare, "--seeds", "1", "--name", "without")[0] == 0
    monkeypatch.setattr("nas.data.load", None)
    fusion = nas.fuse("c")
    names = [one.name for one in fusion.alone]
    assert names == ["resnet8@0.25 seed 0", "resnet8@0.25 seed 1", "resnet8@0.3 seed 0", "resnet8@0.3 seed 1"]
    assert fusion.class_names == ("a", "b", "c", "d") and len(fusion.pairs) == 6
    assert "without kept no predictions: `nas compare ... --ensemble`" in cli("fuse", "without")[2]
    assert "c is a comparison, all of whose networks vote: name it alone" in cli("fuse", "c", "a")[2]


def test_a_mistake_is_one_line(cli: Cli, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for args, message in {
        ("a",): "only a is there to vote: name two networks or more",
        ("a", "resnet20"): "resnet20 has no trained weights",
        ("a", "b", "--out", "no/f.json"): "there is no folder no for f.json",
        ("a", "b", "--out", "a"): "--out a is a folder: name a file, a/fusion.json",
        ("a", "b", "--data", "cifar10", "--metric", "r2"): "--metric r2 does not suit classification",
    }.items():
        code, _, err = cli("fuse", *args)
        assert code == 2 and message in err and err.count("\n") == 1, args
    others = replace(tiny, class_names=("w", "x", "y", "z"))
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: others)
    assert "a is for other classes than those of tiny" in cli("fuse", "a", "b")[2]


def voters(kind: str, labels: torch.Tensor, said: torch.Tensor, metric: str) -> Fusion:
    half = len(labels) // 2
    judging = Judging("made", kind, metric, ("one", "two"), {VAL: labels[:half], TEST: labels[half:]})
    each = [Voter(str(n), Cost(1, 10, 5), "", {VAL: s[:half], TEST: s[half:]}) for n, s in enumerate(said)]
    return fuse(each, judging, by_class=True)


def test_labels_and_numbers_vote_too() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn((200, 2), generator=generator)
    noise = torch.randn((2, 200, 2), generator=generator)
    of_numbers = voters("regression", numbers, numbers + 0.5 * noise, "r2")
    best = next(one for one in of_numbers.alone if one.name == of_numbers.best)
    assert of_numbers.votes[1].test > best.test and of_numbers.votes[1].gain.low > 0 and of_numbers.any_right is None
    assert "correlation" in in_words(of_numbers) and "both wrong" not in in_words(of_numbers)
    labels = (numbers > 0).float()
    of_labels = voters("multilabel", labels, (2 * labels - 1 + noise).sigmoid(), "macro-f1")
    assert of_labels.votes[0].val > max(one.val for one in of_labels.alone)
    assert of_labels.of_each_called == "F1" and "both wrong" in in_words(of_labels)


def test_networks_of_pixels_do_not_vote(
    few_images: None, tiny: Dataset, call_nas: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def masked(images: Images) -> Images:
        return Images(images.pixels, (images.pixels[..., 0] > 120).to(torch.uint8))

    dense = replace(
        tiny,
        train=masked(tiny.train),
        val=masked(tiny.val),
        class_names=("dark", "bright"),
        targets=Targets("segmentation"),
    )
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: dense)
    monkeypatch.setattr("nas.data.load_test", lambda name, place=None, **how: dense.val)
    for seed in ("0", "1"):
        code, _, err = call_nas("train", "fcn8:resnet8@0.25", *TRAIN, "--seed", seed, "--out", f"dense{seed}")
        assert code == 0, err
    code, _, err = call_nas("fuse", "dense0", "dense1")
    assert code == 2 and "dense0 says a class of each pixel, and such networks do not vote here" in err
    code, out, err = call_nas("soup", "dense0", "dense1", "--out", "mixed")
    assert code == 0 and "Members, by mean-iou" in out, err
