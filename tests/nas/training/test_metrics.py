"""Metrics are those of the field, and what networks are judged by; weights of classes are what images count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.checks.class_weights import ClassWeights
from nas.checks.noted import METRICS
from nas.data.images import Dataset, Images
from nas.final.mistakes import draw_worst, worst
from nas.training.evaluation import judged
from nas.training.metrics import confusion_matrix, per_class, score, weights_of_classes

LABELS = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2])
SAID = torch.tensor([0, 0, 0, 0, 0, 1, 1, 0, 2])


def probabilities() -> torch.Tensor:
    """Of nine images and three classes: the most probable ones are `SAID`."""
    generator = torch.Generator().manual_seed(1)
    found = torch.rand(9, 3, generator=generator)
    found[torch.arange(9), SAID] += 1
    return found / found.sum(1, keepdim=True)


def test_metrics_by_hand() -> None:
    p = probabilities()
    assert score("accuracy", p, LABELS) == pytest.approx(7 / 9)
    assert score("balanced-accuracy", p, LABELS) == pytest.approx((5 / 6 + 1 / 2 + 1) / 3)
    f1 = [2 * 5 / (6 + 6), 2 * 1 / (2 + 2), 1.0]
    assert score("macro-f1", p, LABELS) == pytest.approx(sum(f1) / 3)
    one = per_class(p, LABELS)
    assert one["f1"] == pytest.approx(f1) and one["images"] == [6, 2, 1]
    assert one["recall"] == pytest.approx([5 / 6, 1 / 2, 1]) and one["precision"] == pytest.approx([5 / 6, 1 / 2, 1])
    assert confusion_matrix(p, LABELS).tolist() == [[5, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_auc_is_the_share_of_pairs_in_order() -> None:
    p = probabilities()
    by_class = []
    for label in range(3):
        mine, others = p[label == LABELS, label], p[label != LABELS, label]
        by_class.append(np.mean([float(a > b) for a in mine for b in others]))
    assert score("auc", p, LABELS) == pytest.approx(np.mean(by_class))


def test_classes_without_an_image_count_in_no_mean_over_classes() -> None:
    p = torch.cat([probabilities(), torch.zeros(9, 2)], 1)  # two more, which nobody says
    for metric in ("balanced-accuracy", "macro-f1", "auc", "average-precision"):
        assert score(metric, p, LABELS) == pytest.approx(score(metric, probabilities(), LABELS)), metric


@pytest.mark.parametrize("metric", METRICS)
def test_all_are_between_0_and_1(metric: str) -> None:
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(7, (40,), generator=generator)
    right = torch.nn.functional.one_hot(labels, 7).float()
    assert score(metric, right, labels) == pytest.approx(1)
    assert 0 <= score(metric, torch.rand(40, 7, generator=generator).softmax(1), labels) < 1


def test_only_another_metric_than_accuracy_is_a_score() -> None:
    assert judged(probabilities(), LABELS, "accuracy").score is None
    assert judged(probabilities(), LABELS, "macro-f1").score == score("macro-f1", probabilities(), LABELS)


# ---------------------------------------------------------------------------- weights


def dataset(counts: list[int]) -> Dataset:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = Images(torch.zeros(len(labels), 8, 8, 3, dtype=torch.uint8), labels)
    return Dataset("few", ("cat", "dog", "eel"), images, images, (0.5,) * 3, (1.0,) * 3)


def test_balanced_classes_count_the_same() -> None:
    found = weights_of_classes("balanced", dataset([80, 15, 5]))
    assert found is not None
    of_class = found * torch.tensor([80.0, 15, 5])
    assert of_class.tolist() == pytest.approx([100 / 3] * 3, rel=1e-5), "and an image counts 1 on average"
    assert weights_of_classes(None, dataset([1, 1, 1])) is weights_of_classes("equal", dataset([1, 1, 1])) is None


def test_weights_are_by_the_names_of_classes() -> None:
    found = weights_of_classes((("eel", 2.0), ("cat", 1.0), ("dog", 1.0)), dataset([10, 10, 10]))
    assert found is not None and found.tolist() == pytest.approx([0.75, 0.75, 1.5])
    for given, said in (
        ((("cat", 1.0), ("dog", 1.0)), "has no weight for 'eel'"),
        ((("cat", 1.0), ("dog", 1.0), ("eel", 1.0), ("cow", 1.0)), "has 'cow', which is no class of few"),
    ):
        with pytest.raises(ValueError, match=said):
            weights_of_classes(given, dataset([1, 1, 1]))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("w.json", '{"cat": 2, "dog": 0.5}', (("cat", 2.0), ("dog", 0.5))),
        ("w.csv", "cat,2\ndog,0.5\n", (("cat", 2.0), ("dog", 0.5))),
        ("w.csv", 'class,weight\n"a, b",2\n\ndog,0.5\n', (("a, b", 2.0), ("dog", 0.5))),
    ],
)
def test_weights_are_read_from_files(tmp_path: Path, name: str, content: str, expected: Any) -> None:
    (tmp_path / name).write_text(content)
    found = ClassWeights().checked("--class-weights", str(tmp_path / name))
    assert found == expected == ClassWeights().checked("w", json.loads(json.dumps(found)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("w.json", "{", "is no JSON"),
        ("w.json", "[1, 2]", "must have a weight for each class"),
        ("w.json", '{"cat": -1}', "of cat must be above 0, not -1"),
        ("w.json", '{"cat": "2"}', "of cat must be a number, not '2'"),
        ("w.csv", "cat\n", "must have a line for each class"),
        ("w.csv", "cat,nan\n", "of cat must be a finite number"),
        ("w.csv", "cat,1\ncat,2\n", "two weights for one class"),
        ("none.csv", None, "there is no file"),
    ],
)
def test_weights_that_are_none_are_one_line(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said) as error:
        nas.search(class_weights=str(tmp_path / name), data="shapes", runs_dir=tmp_path / "runs")
    assert "\n" not in str(error.value) and not (tmp_path / "runs").exists()


# ---------------------------------------------------------------------------- end to end

QUICK: dict[str, Any] = {
    "space": "compact", "max_macs": "200k", "data": "shapes", "image_size": 16, "subset": 200, "batch_size": 50,
}  # fmt: skip


def test_a_search_by_another_metric_and_what_follows(
    call_nas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = nas.search(**QUICK, metric="macro-f1", class_weights="balanced", trials=2, name="by", strategy="random")
    for trial in run.trials:
        assert trial.score is not None and trial.reward == trial.score and trial.accuracy is not None
        assert trial.metric == "macro-f1"
    code, out, _ = call_nas("top", "by")
    assert code == 0 and "macro-f1" in out.splitlines()[0]
    trained = nas.train("by:best", epochs=1, subset=200, batch_size=50)
    recipe = trained.result["recipe"]
    assert (recipe["metric"], recipe["class_weights"]) == ("macro-f1", "balanced"), "as it was searched"
    assert trained.result["test_score"] != trained.result["test_accuracy"]
    assert sum(map(sum, trained.result["confusion"])) == 2_000 == sum(trained.result["by_class"]["images"])
    code, out, _ = call_nas("report", "by")
    page = (tmp_path / "runs/by/report.html").read_text()
    assert code == 0 and "Trained to the end" in page and "macro-f1" in page and "The worst mistakes" in page
    compared = nas.compare(["by", "resnet8@0.1"], epochs=1, seeds=1, subset=200, batch_size=50, name="c")
    code, out, _ = call_nas("compare", "--report", "c")
    assert code == 0 and "test macro-f1" in out and compared.config.recipe.metric == "macro-f1"


def test_a_network_may_be_trained_by_another_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nas.search(**QUICK, metric="macro-f1", class_weights="balanced", trials=1, name="by", strategy="random")
    trained = nas.train(
        "by:best", epochs=1, subset=200, batch_size=50, metric="accuracy", class_weights="equal", out="other"
    )
    assert "test_score" not in trained.result and trained.result["recipe"]["class_weights"] == "equal"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "--metric", "f2", "--data", "shapes"), "--metric is one of accuracy, balanced-accuracy, macro-f1"),
        (("scale", "--search", "--base", "resnet8", "--set", "metric=auc", "--data", "shapes"), "goes by accuracy"),
        (("proxy-study", "--set", "metric=auc", "--data", "shapes"), "goes by accuracy: leave out --set metric"),
    ],
)
def test_a_metric_that_cannot_be_is_one_line(call_nas: Any, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = call_nas(*arguments)
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1


# ---------------------------------------------------------------------------- mistakes


def test_the_worst_mistakes_are_those_of_the_surest_answers(tmp_path: Path) -> None:
    p = probabilities()
    found = worst(p, LABELS)
    assert [m.number for m in found] == sorted([5, 7], key=lambda n: -p[n].max().item())
    assert {(m.label, m.said) for m in found} == {(0, 1), (1, 0)}
    images = Images(torch.randint(0, 255, (9, 8, 8, 3), dtype=torch.uint8), LABELS)
    assert draw_worst(tmp_path / "m.png", images, p, ("a", "b" * 60, "c\n"))
    assert (tmp_path / "m.png").stat().st_size < 100_000
    right = torch.nn.functional.one_hot(LABELS, 3).float()
    assert not draw_worst(tmp_path / "none.png", images, right, ("a", "b", "c"))
    assert not (tmp_path / "none.png").exists()
