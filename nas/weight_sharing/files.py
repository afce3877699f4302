"""What a supernet's folder has: the shared weights, and while it is trained how far that is.

weights.safetensors      the shared weights, with what they are of: what `--init` takes
checkpoint.safetensors   after each epoch of a training, with what the optimizer remembers; gone when it has ended
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from nas.data.images import Dataset
from nas.exports.files import tensors_bytes
from nas.files import WEIGHTS, write_atomically
from nas.training.shared import Shared
from nas.training.transfer import SUPERNET, metadata
from nas.weight_sharing.training import Progress, SupernetTraining
from searchspaces.supernet import Supernet

CHECKPOINT = "checkpoint.safetensors"
MOMENTS = "moments"  # before the names of what the optimizer remembers


@dataclass(frozen=True)
class Folder:
    """Where a supernet is."""

    path: Path

    @property
    def is_done(self) -> bool:
        return (self.path / WEIGHTS).is_file()

    def write(self, supernet: Supernet, shared: Shared, dataset: Dataset) -> None:
        """The weights, with what they are of. Whoever reads them finds it out by these alone."""
        said = metadata(dataset) | {SUPERNET: shared.text}
        write_atomically(self.path / WEIGHTS, tensors_bytes(supernet.tensors, said))
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def keep(self, training: SupernetTraining, job: Mapping[str, Any]) -> None:
        """Write how far `training` is, which is that of `job`, in JSON values."""
        tensors: dict[str, Tensor] = dict(training.supernet.tensors)
        for number, state in training.moments().items():
            tensors |= {f"{MOMENTS}.{number}.{name}": tensor for name, tensor in state.items()}
        said = {"job": json.dumps(job, sort_keys=True), "progress": training.progress.text}
        write_atomically(self.path / CHECKPOINT, tensors_bytes(tensors, said))

    def go_on(self, training: SupernetTraining, job: Mapping[str, Any]) -> bool:
        """Have `training`, which is that of `job`, be where it was stopped; False where there is nothing of it.

        Raises ValueError where what is there is of another training, or damaged.
        """
        path = self.path / CHECKPOINT
        if not path.is_file():
            return False
        try:
            with safe_open(path, "pt") as file:
                said = dict(file.metadata() or {})
            if json.loads(said["job"]) != json.loads(json.dumps(job)):
                raise ValueError(f"{self.path} has another supernet's training: give another --out")
            tensors = load_file(path)
            moments: dict[int, dict[str, Tensor]] = {}
            for name in [name for name in tensors if name.startswith(f"{MOMENTS}.")]:
                _, number, what = name.split(".", 2)
                moments.setdefault(int(number), {})[what] = tensors.pop(name)
            training.restore(tensors, moments, Progress.parse(said["progress"]))
        except (SafetensorError, KeyError, RuntimeError, json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"{path} is damaged ({error}): remove it to begin anew") from None
        return True
