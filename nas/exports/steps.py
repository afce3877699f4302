"""What each step of a compression costs and brings: bytes on disk, accuracy or the task's metric, images a second."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.checks.noted import METRICS_OF
from nas.data.batches import eval_batches
from nas.data.images import RGB, Dataset, Images
from nas.data.targets import CLASSIFICATION
from nas.exports.compress import quantize
from nas.exports.formats import NOTHING, PROGRAMS, Logits, Metadata, to_program
from nas.exports.runnable import RUNNABLE
from nas.text.columns import table
from nas.text.units import format_bytes, format_quality
from nas.training.metrics import ACCURACY, score

BATCH = 100
CALIBRATION = 300  # training images


@dataclass(frozen=True)
class ExportStep:
    """The network after a step, as a file. `coded`: its bytes under gzip. Accuracies are shares, 0..1.

    In a task of another kind they are the task's first `metric`.
    """

    name: str
    bytes: int
    coded: int
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    images_per_second: float | None = None
    metric: str = ACCURACY


def measure(name: str, content: bytes, form: str, data: Dataset | None, test: Images | None) -> ExportStep:
    """A file's `content` in the format `form`, as it is run by what runs such files."""
    coded = len(gzip.compress(content, 9))
    if data is None:
        return ExportStep(name, len(content), coded)
    logits = RUNNABLE[form].run(content)
    val, rate = _evaluate(logits, data.val, data)
    tested = _evaluate(logits, test, data)[0] if test is not None else None
    return ExportStep(name, len(content), coded, val, tested, rate, METRICS_OF[data.kind][0])


def _evaluate(logits: Logits, images: Images, data: Dataset) -> tuple[float, float]:
    """What it comes to, and images a second of the network alone, after a batch that does not count."""
    said, seconds, batches = [], 0.0, eval_batches(images, data.mean, data.std, batch_size=BATCH)
    for number, (x, _) in enumerate(batches):
        if number == 0:
            logits(x)
        start = time.perf_counter()
        out = logits(x)
        seconds += time.perf_counter() - start
        said.append(data.targets.said(out))
    quality = score(METRICS_OF[data.kind][0], torch.cat(said), images.labels, data.kind)
    return quality, len(images) / seconds


def program_bytes(
    module: nn.Module,
    image_size: int,
    form: str,
    metadata: Metadata = NOTHING,
    channels: int = RGB,
    one_image: bool = False,
) -> bytes:
    """`module` as a file's content in the format `form`, see `to_program`."""
    return PROGRAMS[form].to_bytes(to_program(module.eval(), image_size, channels, one_image), metadata)


def int8_bytes(
    module: nn.Module,
    image_size: int,
    forms: Sequence[str],
    batches: Sequence[Tensor],
    metadata: Metadata = NOTHING,
    channels: int = RGB,
    one_image: bool = False,
) -> Iterator[bytes]:
    """`module` in int8 in each of `forms`, see `to_program`.

    Calibrated by `batches`, each of one image where the program is for `one_image`; without any, dynamically quantised.
    """
    dynamic = not batches
    program = to_program(module.eval(), image_size, channels, one_image)
    shown = batches or [torch.zeros(1 if one_image else 2, channels, image_size, image_size)]
    quantized = quantize(program, shown, dynamic)
    for form in forms:
        yield PROGRAMS[form].to_bytes(to_program(quantized, image_size, channels, one_image), metadata)


def calibration_batches(data: Dataset) -> list[Tensor]:
    """Training images as they are."""
    few = data.train.take(min(CALIBRATION, len(data.train)), seed=0)
    return [x.contiguous() for x, _ in eval_batches(few, data.mean, data.std, batch_size=BATCH)]


COMPARED = 300  # validation images


def comparable_images(data: Dataset | None) -> Tensor | None:
    """Validation images `[n, C, H, W]` on which two files' largest logits are compared; None without classes."""
    if data is None or data.kind != CLASSIFICATION:
        return None
    few = data.val.take(min(COMPARED, len(data.val)), seed=0)
    return torch.cat([x for x, _ in eval_batches(few, data.mean, data.std, batch_size=BATCH)]).contiguous()


def agreement(logits: Logits, module: nn.Module, images: Tensor) -> float:
    """The share, 0..1, of `images` on which the largest of the `logits` of a file is that of `module`, too."""
    with torch.no_grad():
        exact = torch.cat([module.eval()(batch) for batch in torch.split(images, BATCH)])
    found = torch.cat([logits(batch) for batch in torch.split(images, BATCH)])
    return (found.argmax(1) == exact.argmax(1)).float().mean().item()


def steps_table(steps: Sequence[ExportStep]) -> str:
    """What `nas export` prints of a compression."""
    metric = next((step.metric for step in steps if step.metric != ACCURACY), ACCURACY)
    by = "" if metric == ACCURACY else f" {metric}"
    header = ["step", "on disk", "gzip", f"validation{by}", f"test{by}", "images/s"]
    rows = [
        [
            step.name,
            format_bytes(step.bytes),
            format_bytes(step.coded),
            format_quality(metric, step.val_accuracy),
            format_quality(metric, step.test_accuracy),
            "-" if step.images_per_second is None else f"{step.images_per_second:,.0f}",
        ]
        for step in steps
    ]
    return table(header, rows, words=["step"])
