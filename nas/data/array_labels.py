"""The labels of arrays, by their shape and kind, and the names that they mean.

[N] whole numbers from 0, or texts      classes
[N, K] of 0 and 1                       multilabel; of one-hot rows alone a person must say so
[N] or [N, K] floating-point            regression; of whole numbers alone a person must say so
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.splits import some
from nas.data.targets import CLASSIFICATION, MULTILABEL, REGRESSION

Named = tuple[str, npt.NDArray[Any]]
"""An array, and what it is called."""


def labels_of(
    splits: Mapping[str, Named], names: Named | None, task: str | None = None
) -> tuple[str, tuple[str, ...], dict[str, npt.NDArray[Any]]]:
    """The task, the names of classes, labels or numbers, and each split's labels as `nas.data.targets` has them.

    `task` is what a person says that it is. The names of labels and numbers are `names`, else "0", "1", ... Raises
    ValueError where the labels are not of the task, or may be of several.
    """
    kind = task or _inferred(splits["train"])
    if kind == CLASSIFICATION:
        return (kind, *classes_and_labels(splits, names))
    labels = {split: _targets(called, values, kind) for split, (called, values) in splits.items()}
    called, several = splits["train"][0], labels["train"].shape[1]
    found = tuple(map(str, range(several))) if names is None else _names(*names)
    for split, values in labels.items():
        if values.shape[1] != len(found):
            raise ValueError(
                f"{splits[split][0]} has {values.shape[1]} numbers an image, and there are {len(found)} names"
            )
    none = np.flatnonzero(~labels["train"].any(0)).tolist() if kind == MULTILABEL else []
    if none:
        raise ValueError(f"no training image has the label {some([found[n] for n in none])}, by {called}: leave it out")
    return kind, found, labels


def _inferred(train: Named) -> str:
    """The task that the labels can only be of; those that can be of none are left to `classes_and_labels`."""
    _called, values = train
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        return CLASSIFICATION
    if values.ndim == 2 and values.shape[1] > 1 and np.isin(values, (0, 1)).all():
        return CLASSIFICATION if (values.sum(1) == 1).all() else MULTILABEL  # one-hot rows are refused there
    if values.dtype.kind == "f" and np.isfinite(values).all() and not (values == np.floor(values)).all():
        return REGRESSION
    return CLASSIFICATION


def _targets(called: str, values: npt.NDArray[Any], kind: str) -> npt.NDArray[np.float32]:
    """Labels or numbers, float32 `[N, K]`. Raises ValueError where they are none."""
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or not values.size:
        of = " x ".join(map(str, values.shape)) or "none"
        raise ValueError(f"{called} is {values.dtype} of the shape {of}, and {kind} needs numbers, N or N x K")
    values = values.reshape(len(values), -1)
    if kind == MULTILABEL and not np.isin(values, (0, 1)).all():
        raise ValueError(f"{called} must be of 0 and 1 alone, a column for each label: --task {kind} says so")
    numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{called} has NaN or infinite values: leave out these images")
    return numbers


def classes_and_labels(
    splits: Mapping[str, Named], names: Named | None
) -> tuple[tuple[str, ...], dict[str, npt.NDArray[np.int64]]]:
    """The names of the classes, and each split's labels as int64 `[N]`, of which `train` is one.

    The names are `names`, else the texts that the labels are, sorted, else "0", "1", ... Raises ValueError where there
    are not two classes or more, or a label is none of them, or of one there is no training image.
    """
    flat = {split: (called, _flat(called, values)) for split, (called, values) in splits.items()}
    kinds = {called: values.dtype.kind == "U" for called, values in flat.values()}
    if len(set(kinds.values())) > 1:
        raise ValueError(f"some labels are texts and some are numbers: {some(list(kinds))} must be alike")
    called, train = flat["train"]
    present = np.unique(train)
    if names is not None:
        class_names = _names(*names)
    elif train.dtype.kind == "U":
        class_names = tuple(present.tolist())
    else:
        class_names = _numbered(called, present)
    if len(class_names) < 2:
        raise ValueError(f"{called} has one class, {some(list(class_names))}: give two or more")
    labels = {split: _indices(name, values, class_names) for split, (name, values) in flat.items()}
    counts = np.bincount(labels["train"], minlength=len(class_names))
    if missing := [name for name, count in zip(class_names, counts, strict=True) if not count]:
        raise ValueError(f"no training image is of {some(missing)}, by {called}: leave out what has no images")
    return class_names, labels


def _flat(called: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The labels as they are, `[N]`, texts as such."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        of = " x ".join(map(str, values.shape)) or "none"
        raise ValueError(
            f"{called} has the shape {of}, and labels are one an image: of one-hot rows take .argmax(1), "
            f"or say --task {MULTILABEL}"
        )
    if values.dtype.kind == "S":
        return _text(called, values)
    if values.dtype.kind not in "iuU":
        raise ValueError(
            f"{called} is {values.dtype}, and labels are whole numbers or texts: convert with .astype(int), "
            f"or say --task {REGRESSION}"
        )
    return values


def _text(called: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{called} has bytes that are no text in UTF-8") from None


def _names(called: str, values: npt.NDArray[Any]) -> tuple[str, ...]:
    """The names of the classes. Raises ValueError where they are none, or two are the same."""
    values = _text(called, values) if values.dtype.kind == "S" else values
    if values.ndim != 1 or values.dtype.kind != "U":
        raise ValueError(f"{called} must be a list of texts, a name for each class")
    names: list[str] = values.tolist()
    if len(set(names)) < len(names):
        raise ValueError(f"{called} has {some(sorted({name for name in names if names.count(name) > 1}))} twice")
    return tuple(names)


def _numbered(called: str, present: npt.NDArray[Any]) -> tuple[str, ...]:
    """The names of the classes whose numbers are `present`, which are sorted. Raises ValueError unless it is all."""
    if gaps := np.flatnonzero(present != np.arange(len(present))).tolist():
        number, instead = gaps[0], present[gaps[0]]
        raise ValueError(
            f"{called} has no label {number}, but {instead}: labels are 0, 1, 2, ... up to the last class, or texts"
        )
    return tuple(str(number) for number in range(len(present)))


def _indices(called: str, values: npt.NDArray[Any], class_names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The classes' numbers. Raises ValueError where there is no such class."""
    present, where = np.unique(values, return_inverse=True)
    if values.dtype.kind == "U":
        known = {name: number for number, name in enumerate(class_names)}
        if strange := [text for text in present.tolist() if text not in known]:
            raise ValueError(f"{called} has the label {some(strange)}, and the classes are {some(list(class_names))}")
        numbers = np.array([known[text] for text in present.tolist()], np.int64)
        return numbers[where.reshape(-1)]
    if strange := [number for number in present.tolist() if not 0 <= number < len(class_names)]:
        raise ValueError(
            f"{called} has the label {strange[0]}, and with {len(class_names)} classes they are 0 to "
            f"{len(class_names) - 1}"
        )
    return values.astype(np.int64)
