"""A training in a folder of its own: begun, stopped at any moment, continued, tested once, saved.

    training.json        all that decides it: a `Job`, and what it was begun with
    checkpoint.pt        how far it is, after each epoch; gone when it has ended
    weights.safetensors, architecture.json, result.json        what came of it

Nothing else is needed to go on. Each file is there whole or not at all, and `result.json` comes last.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.checks import schema, schemas
from nas.data.images import Dataset, Images
from nas.data.source import given_again
from nas.data.targets import CLASSIFICATION
from nas.devices.device import choose_device
from nas.devices.halted import DeviceFault
from nas.devices.process import prepare
from nas.exports.files import write_network
from nas.files import (
    CONFIG,
    MISTAKES,
    RESULT,
    TRAINING,
    check_no_weights,
    make_folder,
    resumable,
    sole_process,
    write_atomically,
)
from nas.final.announcement import training_lines
from nas.final.job import Job, changes
from nas.final.mistakes import draw_worst
from nas.final.tested import tested
from nas.ledger.config import differences
from nas.ledger.database import without_secrets
from nas.ledger.run import folder_of, versions
from nas.references.origin import origin_of
from nas.references.resolve import resolve
from nas.searching.progress import Output
from nas.training import checkpoints
from nas.training.evaluation import Judged, predict
from nas.training.metrics import check_metric
from nas.training.progress import watch_training
from nas.training.train import Diverged, Snapshot, Training, check_room_to_train
from nas.training.transfer import Taken, metadata
from searchspaces.cost import Cost, cost

CHECKPOINT = "checkpoint.pt"
_LOCK = "training.driver"
SILENT = Output("none")


def begin(folder: Path, job: Job, dataset: Dataset, test: Images, output: Output = SILENT) -> dict[str, Any]:
    """Train in the new `folder`, look at the test images once, save; returns what `result.json` says.

    `dataset` and `test` are what the job's `data` load. A KeyboardInterrupt passes: `resume` goes on after the last
    epoch that was finished. Raises ValueError for a mistake before anything is written, and Diverged, which leaves
    nothing.
    """
    check_free(folder)
    job = replace(job, data=replace(job.data, sha256=dataset.sha256))
    prepared = _Prepared.of(job, dataset, test)
    make_folder(folder)
    with _alone(folder):
        check_free(folder)
        document = {
            "job": job.to_dict(),
            "taken": None if prepared.taken is None else asdict(prepared.taken),
            "versions": versions(),
            "command": without_secrets(sys.argv),
        }
        write_atomically(folder / TRAINING, json.dumps(document, indent=2) + "\n")
        if prepared.taken is not None:
            output.say(prepared.taken.describe())
        with _stopping_well(folder, output):
            return _to_the_end(folder, document, prepared, output)


def resume(
    folder: Path | str,
    device: str | None = None,
    data_dir: Path | str | None = None,
    output: Output = SILENT,
    given: Any = None,
) -> dict[str, Any]:
    """Go on with the training in `folder`, however it was stopped; returns what `result.json` says.

    `device` is what computes now, `data_dir` where the data set is now, `given` what gave its images, see
    `nas.data.source.given_again`. One that has ended is left as it is. Raises
    ValueError where there is none, another process is at it, or it cannot go on as it began.
    """
    folder = Path(folder)
    if (result := _ended(folder)) is not None:
        return result
    document = _document(folder)
    with _alone(folder):
        if (result := _ended(folder)) is not None:  # by a process that was at it until now
            return result
        for torn in folder.glob(f".{CHECKPOINT}.*"):  # of a process that was killed while it wrote
            torn.unlink()
        job = Job.from_dict(document["job"], with_start=not (folder / CHECKPOINT).exists())
        snapshot = _snapshot(folder, document["job"])
        where = job.data.folder if data_dir is None else Path(data_dir).expanduser().resolve()
        device = choose_device(device or job.device, job.threads)
        job = replace(job, device=device, data=replace(job.data, folder=where))
        source = job.data.again()
        if given is not None:
            source = given_again(given, source, "training", output.log)
        dataset, test = source.load(output.log), source.load_test(output.log)
        job.data.check_unchanged(dataset, "training")
        prepared = _Prepared.of(job, dataset, test)
        if snapshot is not None:
            prepared.go_on(snapshot, document["taken"], folder / CHECKPOINT)
        if output.kind != "none":
            _say_what(folder, prepared, replace(dataset, test=test), document["versions"], output)
        with _stopping_well(folder, output):
            return _to_the_end(folder, document, prepared, output)


def find(name: str, runs_dir: Path) -> Path | None:
    """The folder of the training that `name` means; None where it means a run in `runs_dir`, or nothing.

    That of a trial may be named as the trial is, `RUN:best`, and from `runs_dir` on. Raises ValueError where a name
    means both.
    """
    run = folder_of(name, runs_dir)
    if ":" in name and folder_of(name.partition(":")[0], runs_dir).is_dir():
        return _of_trial(name, runs_dir)
    there = [path for path in dict.fromkeys((Path(name), run, runs_dir / name)) if (path / TRAINING).is_file()]
    if not there:
        there = [path for path in (Path(name),) if (path / RESULT).is_file()]  # before there was a training.json
    if (run / CONFIG).is_file():
        if there and there[0] != run:
            raise ValueError(f"{name} is a run and the folder of a training: say {run} or ./{there[0]}")
        return None
    return there[0] if there else None


def _of_trial(name: str, runs_dir: Path) -> Path:
    """The folder in which the trial `name` is trained. Raises ValueError where it is not."""
    origin = origin_of(name, resolve(name, runs_dir), runs_dir)
    folder = origin.trained if origin else None
    if folder is None or not (folder / TRAINING).is_file():
        raise ValueError(f"there is no training of {name} to continue: `nas train {name}` begins one")
    return folder


def check_free(folder: Path) -> None:
    """Raises ValueError where a training is in `folder` already, at its end or not."""
    if (folder / TRAINING).exists() and not (folder / RESULT).exists():
        raise ValueError(
            f"{folder} has a training that has not ended: {_goes_on(folder)} it, another --out starts anew"
        )
    check_no_weights(folder)


def result_of(folder: Path) -> dict[str, Any] | None:
    """What `result.json` in `folder` says; None where the training there has not ended.

    Raises ValueError where that is damaged.
    """
    if not (folder / RESULT).is_file():
        return None
    return schema.read(folder / RESULT, schemas.RESULT)


# ------------------------------------------------------------------ the work


@dataclass
class _Prepared:
    """All that is needed to train, in memory, on the device."""

    job: Job
    dataset: Dataset
    test: Images
    training: Training
    size: Cost
    taken: Taken | None

    @classmethod
    def of(cls, job: Job, dataset: Dataset, test: Images) -> _Prepared:
        """At the training's start. Raises ValueError where the network, the data, the weights, the teacher differ."""
        prepare()
        check_metric(job.recipe.metric, dataset)
        dataset = job.recipe.prepare(dataset.to(job.device))
        distillation = None if job.teacher is None else job.teacher.distillation(dataset, job.recipe)
        build = partial(job.network.build, dataset.num_classes, dataset.image_size, dataset.channels)
        check_room_to_train(build, dataset, job.recipe)
        torch.manual_seed(job.seed)
        module = build()
        size = cost(module, dataset.image_size, dataset.channels)
        taken = None if job.start is None else job.start.give(module, job.network, dataset)
        training = Training(module, dataset, job.recipe, job.seed, job.tuning, distillation=distillation)
        return cls(job, dataset, test.to(job.device).resize(dataset.image_size), training, size, taken)

    def go_on(self, snapshot: Snapshot, taken: dict[str, Any] | None, path: Path) -> None:
        """From `snapshot`, which is of the file `path`."""
        try:
            self.training.restore(snapshot)
        except ValueError as error:
            raise ValueError(f"{path} does not fit this training: {error}") from None
        self.taken = None if taken is None else Taken(**{name: _tuple(value) for name, value in taken.items()})


def _to_the_end(folder: Path, document: dict[str, Any], prepared: _Prepared, output: Output) -> dict[str, Any]:
    """Train, with a checkpoint after each epoch, then test and save; returns what `result.json` says."""
    training = prepared.training
    shown = watch_training(output.kind, str(folder), prepared.job.recipe)
    training.on_step = shown.moment
    with contextlib.closing(shown):
        for epoch in training.epochs():
            checkpoints.save(folder / CHECKPOINT, training.snapshot(), document["job"])
            shown.epoch(epoch)
    probabilities = predict(training.network, prepared.test, prepared.dataset, prepared.job.recipe)
    result = _tested(prepared, probabilities)
    dataset = prepared.dataset
    shape = dataset.num_classes, dataset.image_size
    job = prepared.job
    write_network(
        folder, job.network, training.network, shape, metadata(dataset, job.recipe.metric), data=job.data,
        channels=dataset.channels, recipe=job.own,
    )  # fmt: skip
    draw_worst(folder / MISTAKES, prepared.test, probabilities, dataset.class_names, dataset.targets)
    write_atomically(folder / RESULT, json.dumps(result, indent=2) + "\n")
    _remove(folder, CHECKPOINT, _LOCK)
    return result


def _tested(prepared: _Prepared, probabilities: Tensor) -> dict[str, Any]:
    """What `result.json` says: the one look at the test images, which gave `probabilities`, and how it came about."""
    job, dataset, training, taken = prepared.job, prepared.dataset, prepared.training, prepared.taken
    last, kept = training.done[-1], training.chosen
    val = Judged(kept.val_accuracy, kept.val_score)
    labels, metric = prepared.test.labels, job.recipe.metric
    return {
        **tested(job.network.name, prepared.size, dataset, labels, probabilities, metric, val),
        "epoch": kept.number,
        "seconds": last.seconds,
        "seed": job.seed,
        "recipe": asdict(job.recipe),
        "start": None if taken is None else asdict(taken) | {"tuning": asdict(job.tuning)},
        "teacher": None if job.teacher is None else job.teacher.to_dict(),
        "history": [
            {"epoch": e.number, "loss": e.loss, "val_accuracy": e.val_accuracy, "seconds": e.seconds}
            | ({} if dataset.kind == CLASSIFICATION else {"val_score": e.val_score})
            for e in training.done
        ],
        "device": job.device,
        "single_steps": last.single_steps,
        "threads": job.threads,
        "versions": versions(),
    }


# ------------------------------------------------------------------ the folder


def _alone(folder: Path) -> AbstractContextManager[None]:
    return sole_process(folder / _LOCK, f"training in {folder}")


def _ended(folder: Path) -> dict[str, Any] | None:
    """As `result_of`; then what only a training under way needs is removed, which a killed process may have left."""
    if (result := result_of(folder)) is not None:
        _remove(folder, CHECKPOINT, _LOCK)
    return result


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _stopping_well(folder: Path, output: Output) -> Iterator[None]:
    """Say how to go on, where that is possible; where it is not, leave nothing that could not be gone on with."""
    goes_on = _goes_on(folder)
    try:
        with resumable(folder, goes_on):
            yield
    except KeyboardInterrupt as stop:
        said = f"nothing is lost but this epoch: {goes_on}"
        output.say(f"\nstopped; {said}")
        stop.add_note(f"{said}, and so does nas.final.run.resume({str(folder)!r})")
        raise
    except DeviceFault as fault:
        raise DeviceFault(f"{fault}. Nothing is lost but this epoch: {goes_on}, in a new process") from fault
    except Diverged:  # as it would again
        _remove(folder, TRAINING, CHECKPOINT, _LOCK)
        with contextlib.suppress(OSError):  # other files are in it
            folder.rmdir()
        raise


def _goes_on(folder: Path) -> str:
    return f"`nas resume {shlex.quote(str(folder))}` continues"


def _document(folder: Path) -> dict[str, Any]:
    """What `training.json` says. Raises ValueError where there is none, or it is damaged."""
    return schema.read(folder / TRAINING, schemas.TRAINING)


def _snapshot(folder: Path, job: dict[str, Any]) -> Snapshot | None:
    """That of the last epoch that was finished; None where none was.

    Raises ValueError where it is damaged, or of a training by another `job`.
    """
    if not (folder / CHECKPOINT).exists():
        return None
    snapshot, began = checkpoints.load(folder / CHECKPOINT)
    if changed := changes(schema.checked(folder / CHECKPOINT, schemas.JOB, began), job):
        raise ValueError(
            f"{folder / TRAINING} was edited since the training began ({'; '.join(changed)}): undo that, or start a "
            "new training with the new settings"
        )
    return snapshot


def _say_what(folder: Path, prepared: _Prepared, images: Dataset, began: dict[str, str], output: Output) -> None:
    """Say what goes on where; `images` are as loaded, with those of the test, and `began` the versions of before."""
    job, done = prepared.job, prepared.training.done
    of = f" of {job.recipe.epochs}" if job.recipe.seconds is None else ""
    start = f"goes on after epoch {done[-1].number}{of}" if done else ""
    output.say(training_lines(job, images, "", folder, start))
    here = versions()
    if changed := differences({name: began.get(name) for name in here}, here):
        output.say(f"not as before: {'; '.join(changed)}. The rest may differ in the last digits from what it would be")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
