"""A training's `Snapshot` in a file: whole or not at all, and without pickled code."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.checks.schemas import CHECKPOINT
from nas.files import write_atomically
from nas.training.train import Epoch, Snapshot

FORMAT = "nas training checkpoint 1"


def save(path: Path, snapshot: Snapshot, job: Mapping[str, Any]) -> None:
    """Write `snapshot` of the training that `job` describes, in JSON values, to `path`: atomically."""
    document = {
        "format": FORMAT,
        "job": dict(job),
        "network": _on_cpu(snapshot.network),
        "optimizer": {number: _on_cpu(state) for number, state in snapshot.optimizer.items()},
        "generators": snapshot.generators,
        "step": snapshot.step,
        "epochs": [asdict(epoch) | {"curve": []} for epoch in snapshot.epochs],
        "average": _on_cpu(snapshot.average),
        "best": _on_cpu(snapshot.best),
    }
    content = io.BytesIO()
    torch.save(document, content)
    write_atomically(path, content.getvalue())


def load(path: Path) -> tuple[Snapshot, dict[str, Any]]:
    """The snapshot in `path`, on the CPU, and the training that it is of.

    Raises ValueError where it is damaged or something else.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()  # by its checksums, which torch does not look at
        if damaged is not None:
            raise ValueError(damaged)
        document = CHECKPOINT.checked("", torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        if document["format"] != FORMAT:
            raise ValueError(document["format"])
        epochs = tuple(Epoch(**epoch | {"curve": ()}) for epoch in document["epochs"])
        network, optimizer, generators = (document[name] for name in ("network", "optimizer", "generators"))
        average, best = document.get("average", {}), document.get("best", {})
        return Snapshot(network, optimizer, generators, document["step"], epochs, average, best), document["job"]
    except Exception:  # the many ways of zipfile, pickle and torch to say it
        raise ValueError(
            f"{path} is damaged, or not what nas wrote: restore it from a copy, or remove it to begin anew"
        ) from None


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}
