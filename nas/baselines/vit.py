"""Vision transformers.

Dosovitskiy et al.: "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale" (2020,
arXiv:2010.11929): table 1 the sizes, figure 1 and equations 1 to 4 the network. `vit_l_32` is ViT-Large with patches of
32 pixels. There is a position embedding for each patch, so a network takes images of the size it was built for only.

As in the authors' code and torchvision's: epsilon 1e-6 in the layer norms, biases in all linear layers, and a
classifier of one linear layer (the paper pre-trains with a hidden layer before it) that is zero at the start.
Deviations: GELU is exact, as torchvision's and timm's, where the authors' JAX approximates it; their dropout of 0.1
(in training on ImageNet, appendix B.1) is left out.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.baselines.entry import Baseline
from searchspaces.layers import SMALL_IMAGE, Layer, chain, conv, linear, network, residual

# Table 1: layers, hidden size, MLP size, heads
SIZES = {"b": (12, 768, 3072, 12), "l": (24, 1024, 4096, 16), "h": (32, 1280, 5120, 16)}
SMALL_PATCH = 4


def vit(num_classes: int, image_size: int, size: str, patch: int) -> nn.Sequential:
    """ViT of `size`/`patch`. Images of up to 64 pixels get patches of 4: 8x8 of them at 32 pixels."""
    layers, c, c_mlp, heads = SIZES[size]
    patch = SMALL_PATCH if image_size <= SMALL_IMAGE else patch
    if image_size % patch:
        below = image_size // patch * patch
        near = f"{below} or {below + patch}" if below else str(patch)
        raise ValueError(
            f"patches of {patch} pixels need an image_size that is a multiple, like {near}, not {image_size}"
        )
    module = network(
        {"patches": conv(c, patch, patch, act=None, norm=None, padding=0)},
        {"embedding": lambda c: (Embedding(c, (image_size // patch) ** 2), c)},
        {"encoder": chain(*[chain({"msa": attention(heads), "mlp": mlp(c_mlp)}) for _ in range(layers)])},
        {"norm": layer_norm, "head": chain(class_token, linear(num_classes))},
        init=_init,
    )
    nn.init.zeros_(module.get_parameter("head.1.0.weight"))
    return module


def attention(heads: int) -> Layer:
    """Equation 2."""
    return residual(chain(layer_norm, lambda c: (Attention(c, heads), c)))


def mlp(c_mlp: int) -> Layer:
    """Equation 3."""
    return lambda c: residual(chain(layer_norm, linear(c_mlp, nn.GELU), linear(c)))(c)


def layer_norm(c: int) -> tuple[nn.Module, int]:
    return nn.LayerNorm(c, eps=1e-6), c


def class_token(c: int) -> tuple[nn.Module, int]:
    return ClassToken(), c


class Embedding(nn.Module):
    """Equation 1: `[B, C, H, W]` -> `[B, 1 + patches, C]`, the class token first and positions added."""

    def __init__(self, c: int, patches: int) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, c))
        self.positions = nn.Parameter(torch.empty(1, 1 + patches, c))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return torch.cat([self.class_token.expand(x.shape[0], -1, -1), tokens], dim=1) + self.positions


class Attention(nn.Module):
    """Multi-head self-attention (appendix A) of `[B, tokens, C]`."""

    def __init__(self, c: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # each [B, heads, tokens, c / heads]
        out: Tensor = self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class ClassToken(nn.Module):
    """`[B, tokens, C]` -> `[B, C]`, the first."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def _init(module: nn.Module) -> None:
    """Linear layers Xavier-uniform, patches truncated normal with variance 1 / fan in, biases zero."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=math.sqrt(1 / module.weight[0].numel()))
    if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def of_size(size: str, patch: int) -> Baseline:
    """ViT-Base, Large or Huge ("b", "l", "h") with any `patch`, for names such as `vit_l_16`."""
    if patch < 1:
        raise ValueError(f"a patch of vit_{size} has at least 1 pixel, not {patch}")
    top1 = ERRORS.get((size, patch))
    return Baseline(
        partial(vit, size=size, patch=patch),
        year=2020,
        paper="Dosovitskiy et al., arXiv:2010.11929",
        top1=top1,
        errors="table 5, trained on ImageNet alone, fine-tuned at 384 pixels" if top1 else "",
        min_size=SMALL_PATCH,
        cifar="patches of 4 pixels",
    )


# Table 5: 100 - accuracy
ERRORS = {("b", 16): 22.09, ("b", 32): 26.62, ("l", 16): 23.47, ("l", 32): 28.84}

BASELINES = {"vit_b_16": of_size("b", 16)}
