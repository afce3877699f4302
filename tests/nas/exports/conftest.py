"""What the tests of several formats share."""

from __future__ import annotations

import torch
from torch import nn

from nas.data import Dataset
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces.layers import conv, head, mbconv, network, pad_channels, relu, residual


def trained_of_many_kinds(tiny: Dataset) -> nn.Module:
    """It has a strided, a depthwise and a residual block, squeeze-excitation, and a shortcut of padded channels."""
    torch.manual_seed(0)
    padded = residual(conv(32, 3, 2), shortcut=pad_channels(32, 2), act=relu)
    module = network(conv(16, 3), mbconv(16, expand=3, se=0.25), padded, conv(32, 3), head(4))
    for _ in train(module, tiny, Recipe(epochs=4, batch_size=20), seed=0):
        pass
    return module.eval()
