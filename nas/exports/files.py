"""The files of an export: written once each of them was found to compute what the network computes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from nas.data.images import RGB
from nas.data.source import DataSource
from nas.data.targets import DETECTION, SEGMENTATION
from nas.data.task import Task
from nas.devices.memory import check_room, shape_of
from nas.exports.formats import PROGRAMS, largest_difference, to_program
from nas.exports.photographs import CLASSIFY, check_classify, check_network, classify_source
from nas.exports.pte import PTE, pte_bytes, run_pte
from nas.exports.standalone import logits_of, standalone_source
from nas.exports.tflite import TFLITE
from nas.files import ARCHITECTURE, WEIGHTS, write_all, write_atomically
from nas.network import Network
from nas.references.origin import document_of
from nas.references.resolve import from_document
from searchspaces.space import Option

FILES = {
    "state_dict": (WEIGHTS, ARCHITECTURE),
    "standalone": ("network.py",),
    "onnx": ("network.onnx",),
    "pt2": ("network.pt2",),
    PTE: ("network.pte",),
    TFLITE: ("network.tflite",),
}
TOLERANCE = 1e-3  # of the largest logit: what another library's order of sums may change
CHECKED = 3  # images; traced with two, so that it shows whether the batch's size is open


@dataclass(frozen=True)
class Written:
    """A file, and the largest difference of the logits that it gives from the network's, which are up to `largest`.

    Where the network was changed before it was written, `from_original` is the difference from what it was. `arena`
    are the bytes of memory that a microcontroller needs to run it, by tflite-micro; or it cannot, for a `reason`. Both
    are of a .tflite file alone, where tflite-micro is installed. `agreement` is that of an int8 file, where there are
    images: the share of them, 0..1, for which it says the same class as the network.
    """

    path: Path
    bytes: int
    difference: float | None = None
    largest: float | None = None
    from_original: float | None = None
    arena: int | None = None
    reason: str | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Original:
    """A network before it was changed: its logits for `example_images`, and whether files must still give them.

    They must where batch norms were folded. Pruning and int8 mean to change them: then by how much is only said.
    """

    logits: Tensor
    kept: bool


def write_network(
    folder: Path,
    network: Network,
    module: nn.Module,
    shape: tuple[int, int],
    metadata: Mapping[str, str],
    architecture: bool = True,
    data: DataSource | None = None,
    channels: int = RGB,
    recipe: Mapping[str, Option] = MappingProxyType({}),
) -> list[Path]:
    """Write `weights.safetensors` and `architecture.json`: `module`, which is `network` for `shape` classes, pixels.

    `data` are what later commands take by default for the network of the folder, `channels` those of an image, `recipe`
    what it has of one by itself.
    """
    document = document_of(network, shape, data, channels, recipe) if architecture else None
    return write_all(_network_files(folder, weights_bytes(module, metadata), document))


def _network_files(folder: Path, weights: bytes, document: str | None) -> dict[Path, str | bytes]:
    """What is written of a network: its weights and, where it has one, the `document` of its architecture."""
    return {folder / WEIGHTS: weights} | ({} if document is None else {folder / ARCHITECTURE: document})


def weights_bytes(module: nn.Module, metadata: Mapping[str, str]) -> bytes:
    """The content of a `weights.safetensors`."""
    return tensors_bytes(module.state_dict(), metadata)


def tensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file, the same for the same tensors and metadata."""
    return in_order(save({name: _apart(tensor) for name, tensor in tensors.items()}, dict(metadata)))


def _apart(tensor: Tensor) -> Tensor:
    """A copy for a file, which takes no two that share memory, as tied weights do, and none with gaps."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def in_order(content: bytes) -> bytes:
    """The safetensors file `content` with its metadata in order: the library writes them in another one each time.

    A file is the length of its header (8 bytes), the header in JSON, then the tensors, by their places among these.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # as the format has it: tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def check_new(folder: Path, formats: Sequence[str], more: Sequence[str] = ()) -> None:
    """Raises ValueError where a format is none, or a file would be written over."""
    if unknown := [name for name in formats if name not in FILES]:
        raise ValueError(f"--to is of {', '.join(FILES)}, joined by commas, not {unknown[0]!r}")
    if not formats:
        raise ValueError(f"--to names no format: choose of {', '.join(FILES)}")
    names = [name for chosen in formats for name in FILES[chosen]]
    if there := [name for name in (*names, *more) if (folder / name).exists()]:
        raise ValueError(f"{folder} has {there[0]} already: choose another --out, or remove it")


def export(
    folder: Path,
    formats: Sequence[str],
    network: Network,
    module: nn.Module,
    shape: tuple[int, int],
    metadata: Mapping[str, str],
    changed: bool = False,
    original: Original | None = None,
    data: DataSource | None = None,
    channels: int = RGB,
) -> Iterator[Written]:
    """Write `module` to `folder` in those of `formats` that keep it exact, each checked first; yields what was written.

    `changed`: its modules are no longer those that `network` builds, so its weights are without an architecture.json.
    `original`: what `module` was made of, if it is not as it was. `data`, `channels`: as of `write_network`. Raises
    ValueError where a format cannot hold the network.
    """
    module = module.cpu().eval()
    images = example_images(shape[1], channels)
    logits = example_logits(module, shape[1], channels)
    task = Task.from_metadata(metadata)
    for name in formats:
        if name == "state_dict":
            weights = weights_bytes(module, metadata)
            document = None if changed else document_of(network, shape, data, channels)
            again = deepcopy(module) if document is None else _built_again(document, shape, channels)
            found = example_logits(_with_weights(again, weights), shape[1], channels)
            difference = check_same(
                "weights.safetensors would not give the network's logits", found, logits, exact=True
            )
            for path in write_all(_network_files(folder, weights, document)):
                yield Written(path, path.stat().st_size, difference)
        elif name == "standalone":
            source = standalone_source(module, network.text, shape[1], shape[0], task, channels)
            if task:
                check_network(source, module, task)
            if "state_dict" not in formats:
                _check_weights_beside(folder / "weights.safetensors", module)
            found = logits_of(source, module.state_dict(), images)
            yield _write(folder / FILES[name][0], source.encode(), found, logits, original, exact=True)
        elif name == PTE:
            content = pte_bytes(module, shape[1], channels, metadata)
            yield _write(folder / FILES[name][0], content, run_pte(content)(images), logits, original)
    programs = [name for name in formats if name in PROGRAMS]
    if not programs:
        return
    program = to_program(module, shape[1], channels)
    for name in programs:
        content = PROGRAMS[name].to_bytes(program, metadata)
        yield _write(folder / FILES[name][0], content, PROGRAMS[name].run(content)(images), logits, original)
        if task and name == "onnx" and task.targets.kind not in (SEGMENTATION, DETECTION):  # it says classes of images
            source = classify_source(network.text)
            check_classify(source, content, module, task)
            write_atomically(folder / CLASSIFY, source)
            yield Written(folder / CLASSIFY, len(source.encode()))


def _check_weights_beside(path: Path, module: nn.Module) -> None:
    """Raises ValueError where the weights that a network.py would take by itself are not those of `module`."""
    if not path.is_file():
        return
    there, ours = load(path.read_bytes()), load(weights_bytes(module, {}))
    if there.keys() != ours.keys() or not all(torch.equal(there[name], ours[name]) for name in ours):
        raise ValueError(f"{path} has other weights, which network.py beside it would take: choose another --out")


def _built_again(document: str, shape: tuple[int, int], channels: int) -> nn.Module:
    """The network of an `architecture.json`."""
    return from_document(json.loads(document)).build(*shape, channels).eval()


def _with_weights(module: nn.Module, content: bytes) -> nn.Module:
    """`module` with the weights of a file's `content`."""
    try:
        module.load_state_dict(load(content))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()[:200]
        raise ValueError(f"architecture.json would be of another network than weights.safetensors: {reason}") from None
    return module


def _write(
    path: Path, content: bytes, found: Tensor, logits: Tensor, original: Original | None, exact: bool = False
) -> Written:
    """Write a file that gives the logits `found`, once they are those of the network, and of what it was made of."""
    difference = check_same(f"{path.name} would not give the network's logits", found, logits, exact)
    from_original = None if original is None else largest_difference(found, original.logits)
    if original is not None and original.kept:
        check_same(f"{path.name} would not give the logits of the network that it is made of", found, original.logits)
    write_atomically(path, content)
    return Written(path, len(content), difference, logits.abs().max().item(), from_original)


def check_same(wrong: str, found: Tensor, logits: Tensor, exact: bool = False) -> float:
    """The largest difference of the two. Raises ValueError that begins with `wrong` where it is no rounding."""
    difference, largest = largest_difference(found, logits), logits.abs().max().item()
    if not difference <= (0.0 if exact else TOLERANCE * max(1.0, largest)):
        raise ValueError(f"{wrong}: they differ by {difference:.2g}, and are up to {largest:.2g}; it is not written")
    return difference


def example_logits(module: nn.Module, image_size: int, channels: int = RGB) -> Tensor:
    """What `module`, in evaluation mode from then on, gives for `example_images`. NoRoom where it is too large."""
    check_room(lambda: shape_of(module), image_size, CHECKED, training=False, device="cpu", channels=channels)
    with torch.no_grad():
        logits: Tensor = module.cpu().eval()(example_images(image_size, channels))
    return logits


def example_images(image_size: int, channels: int = RGB) -> Tensor:
    """`[3, channels, image_size, image_size]`, the same on every machine."""
    return torch.randn(CHECKED, channels, image_size, image_size, generator=torch.Generator().manual_seed(0))
