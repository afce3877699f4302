"""A process on a cluster that evaluates one trial after the other."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch

from nas.data.images import Dataset, Images
from nas.data.streamed import LIMIT, Packed, Streamed
from nas.devices.place import Place
from nas.devices.process import prepare
from nas.engines.cluster import Cluster
from nas.engines.quiet_ray import _internal_kv_get, _internal_kv_put, tune
from nas.training.train import Epoch, Moment
from nas.training.trial import TrialResult, TrialSpec, describe, run_trial

NOTED_EVERY = 1.0  # seconds between two notes of a training's step
CONTEXT = 600 * 2**20  # bytes that each process takes of a GPU before its first tensor: an H100's, and some more


class Unfit(RuntimeError):
    """A worker was given what it cannot train on; its trial is not to blame."""


@dataclass(frozen=True)
class Board:
    """Where workers note at which step they are, for whoever looks: Ray's own store of keys and values."""

    run: str

    def note(self, number: int, moment: Moment) -> None:
        _internal_kv_put(self._key(number), f"{moment.epoch} {moment.step} {moment.steps}", overwrite=True)

    def read(self, number: int) -> tuple[int, int, int] | None:
        """Epoch, step and steps of trial `number`; None where nothing was noted."""
        noted = _internal_kv_get(self._key(number))
        if noted is None:
            return None
        epoch, step, steps = map(int, noted.split())
        return epoch, step, steps

    def _key(self, number: int) -> str:
        return f"nas/{self.run}/{number}"


class Worker(tune.Trainable):
    """A step is an epoch; the last one carries the result. Raises Unfit where it cannot train on its device."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], arrays: Any, about: Any, cluster: Cluster, board: Board
    ) -> None:
        prepare()
        self._board = board
        torch.set_num_threads(cluster.threads)
        self._dataset = unpack(arrays, about, cluster)
        if cluster.device == "cuda":
            self._dataset = _on_its_gpu(self._dataset, cluster)
        self._place = Place.here(cluster.device)
        self._prepared: dict[object, Dataset] = {}
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._training = self._evaluate(new_config["spec"])
        if self._dataset.train.pixels.device.type == "cuda":
            torch.cuda.synchronize()  # raises where a former trial broke this process's GPU context: a new worker then
            torch.cuda.empty_cache()  # others may share the GPU
        return True

    def step(self) -> dict[str, Any]:
        try:
            return {"epoch": next(self._training), "place": self._place}
        except StopIteration as end:
            return {"result": end.value, "place": self._place, "done": True}

    def _evaluate(self, spec: TrialSpec) -> Generator[Epoch, None, TrialResult]:
        if spec.recipe.images not in self._prepared:
            self._prepared = {spec.recipe.images: spec.recipe.prepare(self._dataset)}
        noted = float("-inf")

        def on_step(moment: Moment) -> None:
            nonlocal noted
            if time.monotonic() >= noted + NOTED_EVERY:
                noted = time.monotonic()
                self._board.note(spec.number, moment)

        return (yield from run_trial(spec, self._prepared[spec.recipe.images], on_step))


def _on_its_gpu(dataset: Dataset, cluster: Cluster) -> Dataset:
    """`dataset` on this process's GPU, of which it takes no more than its share. Raises Unfit where there is none."""
    try:
        if cluster.gpus_per_trial < 1:  # too large a network runs out of its own share, not of its neighbours'
            total = torch.cuda.get_device_properties("cuda").total_memory
            torch.cuda.set_per_process_memory_fraction(memory_share(total, cluster.gpus_per_trial))
        return dataset.to("cuda", cluster.on_each)
    except (RuntimeError, AssertionError) as error:
        here = Place.here("cpu").machine
        raise Unfit(f"{here} cannot train on the GPU that Ray gave a worker ({describe(error)})") from None


def memory_share(total: int, share: float) -> float:
    """The part of a GPU's `total` bytes that PyTorch may take for a trial with that `share` of it.

    The contexts of all that train there come off first, and one for the process that was started by hand, which may
    have timed networks on it. Raises Unfit where nothing is left.
    """
    contexts = (int(1 / share + 1e-6) + 1) * CONTEXT
    if contexts >= total:
        raise Unfit(f"{total / 2**30:.1f} GiB of GPU memory are too few for trials with {share:g} of it each")
    return share * (total - contexts) / total


def pack(dataset: Dataset) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """`dataset` as NumPy arrays, of which all workers of a machine read the one copy in Ray's object store.

    Of pixels that are read as they are needed nothing travels but where they are.
    """
    splits = {split: getattr(dataset, split) for split in ("train", "val", "test")}
    arrays: dict[str, Any] = {}
    for split, images in splits.items():
        if images is not None:
            pixels = images.pixels
            arrays[f"{split}.pixels"] = pixels.packed() if isinstance(pixels, Streamed) else pixels.numpy(force=True)
            arrays[f"{split}.labels"] = images.labels.numpy(force=True)
    return arrays, (dataset.name, dataset.class_names, dataset.mean, dataset.std, dataset.targets, dataset.fit)


def unpack(arrays: dict[str, Any], about: tuple[Any, ...], cluster: Cluster) -> Dataset:
    """What was packed. Raises Unfit where this machine has not the file that images are read from."""
    try:
        return _unpack(arrays, about, cluster.on_a_machine)
    except (OSError, ValueError) as error:
        here = Place.here("cpu").machine
        raise Unfit(
            f"{here} cannot read the images ({describe(error)}): they are too many for memory, and are read from "
            f"their file, which each machine must have at the same path; a larger ${LIMIT} sends copies instead"
        ) from None


def _unpack(arrays: dict[str, Any], about: tuple[Any, ...], sharing: int = 1) -> Dataset:
    name, class_names, mean, std, targets, fit = about
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor does anyone write to it
        tensors: dict[str, Any] = {
            key: array.opened(sharing) if isinstance(array, Packed) else torch.from_numpy(array)
            for key, array in arrays.items()
        }
    splits = {
        split: Images(tensors[f"{split}.pixels"], tensors[f"{split}.labels"])
        for split in ("train", "val", "test")
        if f"{split}.pixels" in tensors
    }
    return Dataset(
        name, class_names, splits["train"], splits["val"], mean, std, test=splits.get("test"), targets=targets, fit=fit
    )
