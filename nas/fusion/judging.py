"""By what networks and their votes are judged: the labels of both splits, and the task's metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nas.data.targets import CLASSIFICATION, MULTILABEL, REGRESSION, THRESHOLD
from nas.training.evaluation import judged
from nas.training.figures import per_label, per_number
from nas.training.metrics import ACCURACY, EXACT_MATCH, per_class

VAL, TEST = "val", "test"

Split = Mapping[str, Tensor]
"""Of VAL and of TEST."""

LEAST = 1e-12  # of a probability, whose logarithm is taken


@dataclass(frozen=True)
class Judging:
    """The `labels` of the images of `data`, and the `metric` of the task `kind` (`nas.data.targets`).

    What networks say, `said`, is `[N, K]` below: the probabilities of classes or labels, or numbers in their units.
    """

    data: str
    kind: str
    metric: str
    class_names: tuple[str, ...]
    labels: Split

    def quality(self, said: Tensor, split: str) -> float:
        """By the metric, at most 1, of all images of `split`."""
        return judged(said, self.labels[split], self.metric, self.kind).quality

    def loss(self, said: Tensor) -> Tensor:
        """Of the validation images, a mean: the log loss of classes or labels, of numbers the squared error.

        Each number is in its deviations among these images, so that all count alike.
        """
        labels = self.labels[VAL]
        if self.kind == CLASSIFICATION:
            return F.nll_loss(said.clamp(min=LEAST).log(), labels)
        if self.kind == MULTILABEL:
            return F.binary_cross_entropy(said.clamp(LEAST, 1), labels.to(said))
        return ((said - labels) / labels.std(0, correction=0).clamp(min=LEAST)).square().mean()

    def right(self, said: Tensor, split: str) -> Tensor | None:
        """Of which images the class is right, bool `[N]`; of labels which of them, `[N, K]`. None of numbers."""
        if self.kind == REGRESSION:
            return None
        if self.kind == MULTILABEL:
            return (said > THRESHOLD) == (self.labels[split] > 0)
        return said.argmax(1) == self.labels[split]

    def of_each(self, said: Tensor, split: str) -> list[float]:
        """The share of each class's images that are right; of each label F1, of each number R²: `of_each_called`."""
        labels = self.labels[split]
        if self.kind == REGRESSION:
            return per_number(said, labels)["r2"]
        return per_label(said, labels)["f1"] if self.kind == MULTILABEL else per_class(said, labels)["recall"]

    @property
    def of_each_called(self) -> str:
        return {CLASSIFICATION: "accuracy", MULTILABEL: "F1", REGRESSION: "R²"}[self.kind]

    @property
    def is_a_share(self) -> bool:
        """Whether the metric is a share of images, of which it is quickly said how far it is known."""
        return self.metric in (ACCURACY, EXACT_MATCH)

    def images(self, split: str) -> int:
        return len(self.labels[split])

    def at(self, split: str, places: Tensor) -> Judging:
        """By the images of `split` at these `places` alone, as the test images."""
        return Judging(self.data, self.kind, self.metric, self.class_names, {TEST: self.labels[split][places]})
