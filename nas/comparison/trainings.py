"""The trainings of a comparison: each ends with a look at the test images."""

from __future__ import annotations

from pathlib import Path

import optuna
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nas.comparison.design import comparison_of
from nas.data.images import Dataset
from nas.files import make_folder, write_atomically
from nas.ledger.config import Budget
from nas.ledger.run import Run
from nas.searching.gauge import Gauge
from nas.searching.loop import Progress, Search
from nas.searching.published import Published
from nas.training.trial import TrialResult, TrialSpec, describe

PREDICTIONS, LABELS = "predictions", "labels"


class Trainings(Search):
    """What an engine drives to train and test all of a comparison's networks. `dataset` has its test images.

    Where the comparison is one of ensembles, too, every training's class probabilities are kept in the run's folder.
    Raises ValueError where a file of weights to start from is gone, or another.
    """

    def __init__(
        self,
        run: Run,
        study: optuna.Study,
        budget: Budget,
        progress: Progress,
        dataset: Dataset,
        table: Published | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        super().__init__(run, study, budget, progress, dataset, table, gauge)
        assert dataset.test is not None
        comparison = comparison_of(run)
        for number in range(len(comparison.names)):
            if (start := comparison.start_of(number)) is not None:
                start.check()
        self._keeps = comparison.ensemble
        if self._keeps:
            labels = {"val": dataset.val.labels.cpu(), "test": dataset.test.labels.cpu()}
            _keep(make_folder(run.path / PREDICTIONS), LABELS, labels)

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        if (tested := result.tested) is not None:
            trial = self._running[spec.number]
            with self.run.together():
                if tested.accuracy is not None:
                    trial.set_user_attr("test_accuracy", tested.accuracy)
                if tested.score is not None:
                    trial.set_user_attr("test_score", tested.score)
                for name in ("images", "training_seconds", "inference", "bytes"):
                    trial.set_user_attr(name, getattr(tested, name))
            if self._keeps:  # before the ledger says that this training is done
                _keep(self.run.path / PREDICTIONS, str(spec.number), tested.probabilities)
        super().tell(spec, result)


def predictions(run: Run, what: int | str) -> dict[str, Tensor]:
    """The class probabilities `[N, num_classes]` of training `what`, or the LABELS: of "val" and of "test".

    Raises ValueError where their file is gone or damaged.
    """
    path = run.path / PREDICTIONS / f"{what}.safetensors"
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read {path}, by which networks vote: {describe(error)}") from None
    if found.keys() != {"val", "test"} or not all(tensor.isfinite().all() for tensor in found.values()):
        raise ValueError(f"{path}, by which networks vote, is damaged: restore it from a copy")
    return found


def _keep(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    write_atomically(folder / f"{name}.safetensors", save({n: t.clone() for n, t in tensors.items()}))
