"""Our networks against other libraries' implementations: the same sizes, and the same logits with the same weights.

Runs where torchvision, timm and pytorchcv are installed, which no test elsewhere needs.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.baselines.pretrained import LIBRARIES
from nas.baselines.pretrained.naming import Naming
from nas.baselines.zoo import build, find
from searchspaces.cost import cost
from searchspaces.layers import SMALL_IMAGE, avg_pool

torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed", exc_type=ImportError)
timm = pytest.importorskip("timm", reason="timm is not installed", exc_type=ImportError)
pytorchcv = pytest.importorskip("pytorchcv.model_provider", reason="pytorchcv is not installed", exc_type=ImportError)

# Rows of a name of ours, a library, its name there, and what its constructor takes. A network may have several sources.
SOURCES = [
    row
    for row in json.loads((Path(__file__).parents[2] / "golden" / "sources.json").read_text())
    if row["library"] != "efficientnet_pytorch"  # whose names alone are compared, in test_pretrained.py
]


def construct(library: str, name: str, arguments: dict[str, object]) -> nn.Module:
    if library == "torchvision":
        return torchvision.models.get_model(name, weights=None, **arguments)
    if library == "timm":
        return with_tensorflow_pools(timm.create_model(name, **arguments))
    return pytorchcv.get_model(name, **arguments)


def with_tensorflow_pools(module: nn.Module) -> nn.Module:
    """timm's average pools with TensorFlow's padding count it as zeros, which TensorFlow's do not."""
    for part in list(module.modules()):
        for name, pool in part.named_children():
            if type(pool).__name__ == "AvgPool2dSame":
                setattr(part, name, avg_pool(pool.kernel_size[0], pool.stride[0], "tf")(1)[0])
    return module


def nasnet_of_pytorchcv(n: int) -> Naming:
    """pytorchcv's names in a NASNet of `n` cells a stage, where modules' order of construction is not ours."""

    def unit(m: re.Match[str]) -> str:
        stage, i = divmod(int(m[1]), n)
        return f"features.stage{stage + 1}.unit{i + 1 + (stage > 0)}."

    def separable(m: re.Match[str]) -> str:
        names = {"depthwise.0": "conv.dw_conv", "pointwise.0": "conv.pw_conv", "pointwise.1": "bn"}
        return f".conv{int(m[1]) + 1}.{names[m[2]]}."

    return Naming(
        (
            (r"\.(\d)\.((?:depth|point)wise\.\d)\.", separable),
            (r"\.blocks\.(\d)\.(left|right)\.", r".comb\1_\2."),
            (r"\.previous\.1\.path(\d)\.", r".path.path\1.conv."),
            (r"\.previous\.1\.norm\.", ".path.bn."),
            (r"\.previous\.1\.", ".conv1x1_prev."),
            (r"\.current\.1\.", ".conv1x1."),
            (r"\.0\.(\w+)$", r".conv.\1"),
            (r"\.1\.(\w+)$", r".bn.\1"),
            (r"^conv0\.", "features.init_block."),
            (r"^cell_stem_(\d)\.", lambda m: f"features.stem{int(m[1]) + 1}_unit."),
            (r"^cell_(\d+)\.", unit),
            (r"^reduction_cell_(\d)\.", lambda m: f"features.stage{int(m[1]) + 2}.unit1."),
            (r"^final_layer\.2\.\d\.", "output.fc."),
        )
    )


NAMINGS = LIBRARIES | {
    "pytorchcv": {"nasnet_a_mobile": nasnet_of_pytorchcv(4), "nasnet_a_large": nasnet_of_pytorchcv(6)}
}


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


@pytest.mark.parametrize("row", SOURCES, ids=lambda row: f"{row['name']}-{row['library']}")
def test_equals_its_source(row: dict[str, Any]) -> None:
    name, library = row["name"], row["library"]
    baseline = find(name)
    size, classes = baseline.image_size, baseline.num_classes
    with float64(), torch.no_grad():
        source = scatter(construct(library, row["theirs"], row.get("arguments", {})))
        ours = build(name, classes, size).eval()
        naming = NAMINGS.get(library, {}).get(name)
        if naming:  # by the rules with which load_pretrained does it
            assert naming.load(ours, source.state_dict()) is None
        else:
            copy_in_order(source, ours)
        # Odd sizes show where padding and rounding differ; pytorchcv's networks and ViTs take their own size alone.
        small = max(96, baseline.min_size)
        own = size <= SMALL_IMAGE or library == "pytorchcv" or name.startswith("vit_")
        for pixels in (size,) if own else (small, small + 13):
            x = torch.randn(2, 3, pixels, pixels)
            expected, logits = source(x), ours(x)
            scale = expected.std()
            torch.testing.assert_close(logits / scale, expected / scale, rtol=1e-6, atol=1e-6)
    ours_cost, source_cost = cost(ours.float(), size), cost(source.float(), size)
    if library == "pytorchcv" and name.startswith("nasnet_a"):  # it convolves pixels that it crops away
        assert ours_cost.params == source_cost.params
    else:
        assert ours_cost == source_cost
