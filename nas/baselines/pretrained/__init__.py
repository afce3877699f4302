"""Checkpoints that other libraries publish, loaded into our networks by rules on the tensors' names.

For each library that carries a family, `torchvision.py`, `timm.py` and `efficientnet_pytorch.py` say how a tensor of
ours is called there. The rules are one to one, so they serve in both directions: `load_pretrained` reads a published
checkpoint, `published_state_dict` gives our weights under a library's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.baselines.pretrained import efficientnet_pytorch, timm, torchvision
from nas.baselines.pretrained.naming import Naming, our_tensors
from nas.baselines.zoo import build, find
from searchspaces.images import RGB, for_images_of

LIBRARIES: dict[str, dict[str, Naming]] = {
    "torchvision": torchvision.NAMINGS,
    "timm": timm.NAMINGS,
    "efficientnet_pytorch": efficientnet_pytorch.NAMINGS,
}


def load_pretrained(
    name: str, path: str | Path, num_classes: int = 1000, image_size: int | None = None, channels: int = RGB
) -> nn.Module:
    """The baseline `name` with the weights of a published checkpoint (.pth, .safetensors; see `LIBRARIES`), or ours.

    `num_classes`, `image_size` (by default the publication's) and `channels` are the checkpoint's. Raises
    ValueError where the file is no checkpoint or not one of this network; it names the first tensor that differs.
    """
    with for_images_of(channels):
        module = build(name, num_classes, image_size or find(name).image_size)
    checkpoint = read_checkpoint(path)
    namings = _namings(name)
    complaints = {}
    for library, naming in namings.items():
        complaints[library] = naming.load(module, checkpoint)
        if complaints[library] is None:
            return module
    ours = our_tensors(module)
    likeliest = _likeliest(namings, checkpoint, ours)
    raise ValueError(f"{path} is no checkpoint of {likeliest}'s {name}: {complaints[likeliest]}{_variants(name)}")


def naming_of(name: str, checkpoint: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> Naming:
    """How the tensors `ours` of the baseline `name` are called in `checkpoint`."""
    namings = _namings(name)
    return namings[_likeliest(namings, checkpoint, ours)]


def published_state_dict(module: nn.Module, name: str, library: str) -> dict[str, Tensor]:
    """The weights of `module`, which is the baseline `name`, under the names that `library` gives them."""
    if name not in LIBRARIES.get(library, {}):
        carriers = [library for library, namings in LIBRARIES.items() if name in namings]
        raise ValueError(
            f"{library} has no {name} whose names we know; " + (", ".join(carriers) or "no library") + " has"
        )
    naming = LIBRARIES[library][name]
    return {naming.theirs(key): tensor for key, tensor in our_tensors(module).items()}


def _namings(name: str) -> dict[str, Naming]:
    """By library, those that know the baseline `name`; ours is always among them."""
    return {library: namings[name] for library, namings in LIBRARIES.items() if name in namings} | {"nas": Naming()}


def _likeliest(namings: Mapping[str, Naming], checkpoint: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str:
    """The library that shares the most names with `checkpoint` is the one that it was meant to be of."""
    return max(namings, key=lambda library: len(namings[library].in_ours(checkpoint, ours).keys() & ours.keys()))


def _variants(name: str) -> str:
    """Which forms of a network the libraries' weights are of, where `name` is not one of them."""
    carried = {known for namings in LIBRARIES.values() for known in namings}
    forms = sorted(known for known in carried if known.startswith(f"{name}+"))
    return f"; published weights are of {', '.join(forms)}" if forms and name not in carried else ""


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .pth or .safetensors file by their names. Raises ValueError where it holds anything else."""
    state: Any
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # the readers' many ways to say that a file is none of theirs
        raise ValueError(
            f"{path} is no checkpoint of tensors alone: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path} is no state dict: it must map names to tensors")
    if odd := [name for name, tensor in state.items() if not isinstance(name, str) or not _is_plain(tensor)]:
        raise ValueError(f"{path} has a tensor {str(odd[0])[:80]!r} that is no plain array of numbers in memory")
    return state


def _is_plain(tensor: Tensor) -> bool:
    """Whether it can be looked at and loaded: PyTorch has also tensors that are sparse, quantized, or of no device."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return plain and (tensor.dtype in _FLOATS or not (tensor.is_floating_point() or tensor.is_complex()))


_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
