"""What a ledger notes of a trial besides its costs, and what networks are judged by: no cost of one's own may be called
that."""

from __future__ import annotations

from nas.checks.limits import NATURAL, SEED, SHARE, TEXT, Flag, Kind, Number

TIME = Number(0)  # seconds
ANY_NUMBER = Number()
SCORE = Number(most=1)  # by a metric: r2 and spearman may be negative

METRICS_OF = {
    "classification": ("accuracy", "balanced-accuracy", "macro-f1", "auc", "average-precision", "top5"),
    "multilabel": ("macro-f1", "average-precision", "exact-match", "auc"),
    "regression": ("r2", "spearman"),
    "segmentation": ("mean-iou", "pixel-accuracy"),
    "detection": ("map", "map50"),
}
"""What networks may be judged by in each task, the usual one first."""
METRICS = tuple(dict.fromkeys(metric for several in METRICS_OF.values() for metric in several))

NOTED: dict[str, Kind] = {
    "accuracy": SHARE,
    "score": SCORE,
    "loss": ANY_NUMBER,
    "seconds": TIME,
    "id": TEXT,
    "architecture": TEXT,
    "reason": TEXT,
    "seed": SEED,
    "starts": NATURAL,
    "device_faults": NATURAL,
    "single_steps": TEXT,
    "place": NATURAL,
    "duplicate_of": NATURAL,
    "refused": Flag(),  # infeasible: by its cost, before it was trained
    "told": Flag(),  # its result is from outside, not of the run's recipe
    "test_accuracy": SHARE,
    "test_score": SCORE,
    "images": NATURAL,
    "training_seconds": TIME,
    "inference": TIME,  # images a second
    "bytes": NATURAL,
}
"""In a trial's user attributes; its costs and its curve are there, too, see `nas.checks.schemas.TRIAL`."""

TAKEN = {*NOTED, *METRICS, "costs", "curve", "reward", "quality", "time", "number", "trial", "state", "arch"}
"""Also the columns of tables."""
