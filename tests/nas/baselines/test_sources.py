"""Our networks against other libraries' implementations: the same sizes, and the same logits with the same weights.

Runs where torchvision, timm and pytorchcv are installed, which no test elsewhere needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from nas.baselines.pretrained import LIBRARIES
from nas.baselines.zoo import BASELINES, build, find
from searchspaces.cost import cost
from searchspaces.layers import SMALL_IMAGE

torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed", exc_type=ImportError)
timm = pytest.importorskip("timm", reason="timm is not installed", exc_type=ImportError)
pytorchcv = pytest.importorskip("pytorchcv.model_provider", reason="pytorchcv is not installed", exc_type=ImportError)

# name of ours -> (library, its name, what its constructor takes). One network may have several sources.
SOURCES: list[tuple[str, str, str, dict[str, object]]] = [
    # lenet, alexnet, zfnet, vgg, squeezenet, highway
    # googlenet, inception, xception
    # resnet and what came of it
    ("resnet18", "torchvision", "resnet18", {}),
    ("resnet34", "torchvision", "resnet34", {}),
    ("resnet50", "torchvision", "resnet50", {}),
    ("resnet101", "torchvision", "resnet101", {}),
    ("resnet152", "torchvision", "resnet152", {}),
    ("resnet50", "timm", "resnet50", {}),
    ("resnet50+stride_1x1", "pytorchcv", "resnet50", {}),
    # mobile networks
    # nasnet, nfnet, vit
]


def construct(library: str, name: str, arguments: dict[str, object]) -> nn.Module:
    if library == "torchvision":
        return torchvision.models.get_model(name, weights=None, **arguments)
    if library == "timm":
        return timm.create_model(name, **arguments)
    return pytorchcv.get_model(name, **arguments)


@contextlib.contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def scatter(module: nn.Module) -> nn.Module:
    """Weights at which every layer and every statistic matters: none at the values that constructors give."""
    generator = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if key.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.ndim > 1:
            tensor.copy_(noise * (2 / max(1, tensor[0].numel())) ** 0.5)
        else:
            tensor.copy_(tensor + 0.1 * noise)
    return module.eval()


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Tensor for tensor of the same shape, in each shape's order of construction."""
    left: dict[torch.Size, list[torch.Tensor]] = {}
    for key, tensor in source.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            left.setdefault(tensor.shape, []).append(tensor)
    for key, tensor in target.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(left[tensor.shape].pop(0))
    assert not any(left.values()), "the source has tensors that the target has not"


@pytest.mark.parametrize(("name", "library", "theirs", "arguments"), SOURCES, ids=str)
def test_equals_its_source(name: str, library: str, theirs: str, arguments: dict[str, object]) -> None:
    baseline = find(name)
    size, classes = baseline.image_size, baseline.num_classes
    with float64(), torch.no_grad():
        source = scatter(construct(library, theirs, arguments))
        ours = build(name, classes, size).eval()
        naming = LIBRARIES.get(library, {}).get(name)
        if naming:  # by the rules with which load_pretrained does it
            tensors = {k: v for k, v in ours.state_dict().items() if not k.endswith("num_batches_tracked")}
            renamed = naming.in_ours(source.state_dict(), tensors)
            assert naming.first_difference(tensors, renamed) is None
            ours.load_state_dict(renamed, strict=False)
        else:
            copy_in_order(source, ours)
        # Odd sizes show where padding and rounding differ; pytorchcv's networks take their own size alone.
        small = max(96, baseline.min_size)
        for pixels in (small, small + 13) if size > SMALL_IMAGE and library != "pytorchcv" else (size,):
            x = torch.randn(2, 3, pixels, pixels)
            expected, logits = source(x), ours(x)
            scale = expected.std()
            torch.testing.assert_close(logits / scale, expected / scale, rtol=1e-6, atol=1e-6)
    assert cost(ours, size) == cost(source, size)


def test_sources_name_baselines() -> None:
    assert {name for name, *_ in SOURCES} - set(BASELINES) == {
        name for name, *_ in SOURCES if "+" in name or "@" in name
    }
