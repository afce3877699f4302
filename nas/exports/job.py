"""One export: the network is changed as asked, written in its formats, and measured after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from nas.data.download import Log
from nas.data.images import Dataset, Images
from nas.data.preprocessing import Preprocessing
from nas.data.source import DataSource, choose_source
from nas.exports import card, pte, tflite
from nas.exports.compress import prune
from nas.exports.files import (
    FILES,
    Original,
    Written,
    check_new,
    check_same,
    example_images,
    example_logits,
    export,
)
from nas.exports.fold import fold_batch_norms
from nas.exports.formats import PROGRAMS, largest_difference
from nas.exports.photographs import CLASSIFY
from nas.exports.pte import PTE
from nas.exports.readme import beginning, lines_there, write_readme
from nas.exports.runnable import RUNNABLE
from nas.exports.steps import (
    ExportStep,
    agreement,
    calibration_batches,
    comparable_images,
    int8_bytes,
    measure,
    program_bytes,
)
from nas.exports.target import Source
from nas.exports.tflite import TFLITE
from nas.files import new_folder, write_atomically
from nas.network import Network, is_of_image
from nas.options import groups


@dataclass(frozen=True)
class Changes:
    """What is done to the network before it is written; `prune` is a share of its weights."""

    fold_bn: bool = False
    prune: float | None = None
    quantize: str | None = None

    def needs_images(self, formats: Sequence[str]) -> bool:
        return self.quantize == "static" or TFLITE in formats

    def check(self, formats: Sequence[str]) -> None:
        """Raises ValueError where something is asked for that cannot be had with these `formats`."""
        if self.quantize not in (None, "dynamic", "static"):
            raise ValueError(f"--quantize is dynamic or static, not {self.quantize!r}")
        if self.prune is not None and not 0 < self.prune < 1:
            raise ValueError(f"--prune is a share of the weights, above 0 and below 1, not {self.prune:g}")
        if self.quantize == "dynamic" and "onnx" in formats:
            raise ValueError("--quantize dynamic has no ONNX form in PyTorch: leave onnx out of --to, or use static")
        if self.quantize == "dynamic" and PTE in formats:
            raise ValueError("--quantize dynamic has no pte form here: leave pte out of --to, or use static")
        if self.quantize and not set(formats) & {*PROGRAMS, PTE, *([TFLITE] if self.quantize == "static" else [])}:
            int8 = "; network.tflite is int8 without it" if TFLITE in formats else ""
            raise ValueError(f"--quantize writes network.int8.onnx, .pt2 or .pte: add onnx, pt2 or pte to --to{int8}")
        if TFLITE in formats:
            tflite.check_installed()
        if PTE in formats:
            pte.check_installed()
        if self.fold_bn and "state_dict" in formats and "standalone" not in formats:
            raise ValueError(
                "with --fold-bn the weights fit no architecture of ours: add standalone to --to, the file that they fit"
            )


@dataclass(frozen=True)
class Exported:
    """What was written, of a network `trained` or not; and where something was changed, what each step cost."""

    trained: bool
    files: list[Written]
    steps: list[ExportStep]


def run(
    folder: Path,
    formats: Sequence[str],
    source: Source,
    changes: Changes,
    data: Dataset | None,
    test: Images | None,
    say: Callable[[str], None],
    license: str | None = None,
) -> Exported:
    """Write everything to `folder`. The weights are under that `license`, None where nobody says which.

    `data` and `test` are at the network's image size. Steps are of the first of ONNX and .pt2 that is written, else of
    .pt2; the last are of the int8 .pte and the .tflite file, if these are written.
    """
    changes.check(formats)
    of_image = is_of_image(source.network)
    if not of_image:
        _check_is_exact(formats, changes, source.network)
    pixels = source.shape[1]
    int8 = [f"network.int8.{form}" for form in formats if form in (*PROGRAMS, PTE)] if changes.quantize else []
    others = [*int8, *([CLASSIFY] if source.task and "onnx" in formats and of_image else [])]
    check_new(folder, formats, others)
    logits = example_logits(source.module, pixels, source.channels)
    if not logits.isfinite().all():
        deep = "" if source.trained else ": without training, a network so deep overflows"
        raise ValueError(f"{source.network.name} gives logits that are no numbers, so no file can be checked{deep}")
    start = beginning(source, changes.prune, license)
    there = lines_there(folder, start)
    stages = list(_stages(source, logits, changes, say))
    with new_folder(folder):
        done = _written(folder, formats, source, changes, stages, logits, data, test)
        end = card.sections(source, changes.prune, license)
        readme = write_readme(folder, start, there, done.files, done.steps, source, stages[-1][1], end)
    return replace(done, files=[*done.files, readme])


def _check_is_exact(formats: Sequence[str], changes: Changes, network: Network) -> None:
    """Raises ValueError where a `network` that says no class of the image has no such form."""
    what = "a network that finds objects" if network.detects else "a network that says the classes of pixels"
    if others := [name for name in formats if name not in ("state_dict", *PROGRAMS)]:
        raise ValueError(f"{what} has no {others[0]} form: give --to state_dict, onnx or pt2")
    if changes != Changes():
        raise ValueError(f"{what} is exported as it is: leave out --fold-bn, --quantize and --prune")


def _written(
    folder: Path,
    formats: Sequence[str],
    source: Source,
    changes: Changes,
    stages: Sequence[tuple[str, nn.Module]],
    logits: Tensor,
    data: Dataset | None,
    test: Images | None,
) -> Exported:
    """Write the last of `stages`, and int8 files of it; measure all of them. The first gives `logits`."""
    forms, pixels, module = [name for name in formats if name in PROGRAMS], source.shape[1], stages[-1][1]
    original = Original(logits, kept=changes.prune is None) if len(stages) > 1 else None
    metadata, folded = source.metadata, changes.fold_bn
    written = list(
        export(
            folder,
            formats,
            source.network,
            module,
            source.shape,
            metadata,
            folded,
            original,
            source.data,
            source.channels,
        )
    )
    on_devices = [name for name in (PTE, TFLITE) if name in formats and (name == TFLITE or changes.quantize)]
    if not on_devices and (not forms or changes == Changes()):
        return Exported(source.trained, written, [])
    form = forms[0] if forms else "pt2"
    ends = {0, len(stages) - (0 if changes.quantize or on_devices else 1)}  # the test set is seen at the two ends
    steps = [
        measure(
            name,
            program_bytes(stage, pixels, form, metadata, source.channels),
            form,
            data,
            test if number in ends else None,
        )
        for number, (name, stage) in enumerate(stages)
    ]
    batches = calibration_batches(data) if changes.needs_images(formats) and data is not None else []
    exact, before = example_logits(module, pixels, source.channels), None if original is None else logits
    examples = example_images(pixels, source.channels)
    told = comparable_images(data)

    def add(name: str, content: bytes, step: str, form: str, tested: bool = True) -> Written:
        file = _int8(folder / name, content, module, exact, before, examples, told)
        if tested:
            steps.append(measure(step, content, form, data, test))
        return file

    if changes.quantize and forms:
        shown = batches if changes.quantize == "static" else []
        contents = list(int8_bytes(module, pixels, forms, shown, metadata, source.channels))
        for number, (its, content) in enumerate(zip(forms, contents, strict=True)):
            written.append(add(f"network.int8.{its}", content, f"int8, {changes.quantize}", its, tested=number == 0))
    if PTE in on_devices:
        content = pte.pte_int8_bytes(module, pixels, source.channels, batches, metadata)
        written.append(add(f"network.int8.{PTE}", content, f"int8, {PTE}", PTE))
    if TFLITE in on_devices:
        content = tflite.tflite_bytes(module, pixels, source.channels, batches, metadata)
        written.append(_on_a_microcontroller(add(FILES[TFLITE][0], content, f"int8, {TFLITE}", TFLITE), content))
    return Exported(source.trained, written, steps)


def _stages(
    source: Source, logits: Tensor, changes: Changes, say: Callable[[str], None]
) -> Iterator[tuple[str, nn.Module]]:
    """The network, which gives `logits`, as it is and after each of the changes in float32, by their names."""
    module, image_size, channels = source.module, source.shape[1], source.channels
    yield "float32", module
    if changes.fold_bn:
        module, folded, norms = fold_batch_norms(module, image_size, channels)
        wrong = "with --fold-bn the network would give other logits (try without)"
        difference = check_same(wrong, example_logits(module, image_size, channels), logits)
        stay = f"; {norms - folded} stay, since no layer can do their work" if folded < norms else ""
        say(f"folded {folded} of {norms} batch norms{stay}; max logit difference {difference:.2g}")
        yield "batch norms folded", module
    if changes.prune is not None:
        yield f"{100 * changes.prune:g} % pruned", prune(module, changes.prune)


def _int8(
    path: Path,
    content: bytes,
    module: nn.Module,
    logits: Tensor,
    original: Tensor | None,
    examples: Tensor,
    told: Tensor | None,
) -> Written:
    """Write a quantised network, whose `logits` for `examples` differ from those that it is of; by how much is only
    said, and on how many of the images `told` its largest logit is the same one."""
    run = RUNNABLE[path.suffix[1:]].run(content)
    found = run(examples)
    write_atomically(path, content)
    from_original = None if original is None else largest_difference(found, original)
    difference, largest = largest_difference(found, logits), logits.abs().max().item()
    agrees = None if told is None else agreement(run, module, told)
    return Written(path, len(content), difference, largest, from_original, agreement=agrees)


def _on_a_microcontroller(file: Written, content: bytes) -> Written:
    """The .tflite `file` with the memory that it needs there, or why it does not run; as it is without tflite-micro."""
    if not tflite.has_micro():
        return file
    try:
        return replace(file, arena=tflite.arena_bytes(content))
    except ValueError as error:
        return replace(file, reason=str(error))


def with_weights(formats: Sequence[str], source: Source) -> list[str]:
    """`formats`; beside the Python file of a trained network also its weights, which that needs to be of any use."""
    if not source.trained or "standalone" not in formats or "state_dict" in formats:
        return list(formats)
    after = formats.index("standalone") + 1
    return [*formats[:after], "state_dict", *formats[after:]]


def source_of_images(source: Source, asked: groups.DataOptions, log: Log = print) -> DataSource:
    """The images by which an export is measured: those asked for, else what the network was trained on.

    Raises ValueError where neither is said.
    """
    if asked.data is None and source.data is None:
        raise ValueError(
            "--test, --quantize static and --to tflite need images, and nothing says on which the network was trained: "
            "give --data"
        )
    chosen = choose_source(source.data, replace(asked, image_size=None, channels=source.channels), log)
    return replace(chosen, image_size=source.shape[1])


def data_for(source: Source, data: Dataset) -> Dataset:
    """`data` at the network's image size, normalised as in its training. ValueError where its classes are others."""
    classes, pixels = source.shape
    names = source.weights.class_names if source.weights else None
    if data.num_classes != classes or (names is not None and names != data.class_names):
        raise ValueError(f"--data {data.name} has other classes than the {classes} of the network")
    if source.task and source.task.targets.kind != data.kind:
        raise ValueError(f"--data {data.name} is for {data.kind}, and the network for {source.task.targets.kind}")
    known = source.task.preprocessing if source.task else Preprocessing.of(data)
    train, val = data.train.resize(pixels), data.val.resize(pixels)
    targets = source.task.targets if source.task else data.targets  # by whose mean its outputs are numbers
    return replace(data, train=train, val=val, mean=known.mean, std=known.std, targets=targets)
