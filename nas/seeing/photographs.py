"""Where a network looks on a photograph: five methods, all captum's, each of which answers another question.

    saliency               |dS/dI|, Simonyan et al. 2013 (arXiv:1312.6034)
    guided backpropagation a gradient that ReLUs let back where it is positive, Springenberg et al. 2014 (1412.6806)
    integrated gradients   the gradient along the way from the mean colour, Sundararajan et al. 2017 (1703.01365)
    Grad-CAM               the last map, by the mean gradients of its channels, Selvaraju et al. 2016 (1610.02391)
    occlusion              what S loses where a square is covered, Zeiler and Fergus 2013 (1311.2901), figure 6

S is an output of the network before the softmax.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.seeing.layers import layers_of
from nas.seeing.quiet import quiet
from searchspaces.backbone import maps_of, run_of

INTEGRATED = 64  # steps from the mean colour to the photograph
AT_ONCE = 64  # images in a forward
WINDOW = 4  # the covered square is a quarter of the photograph a side, and is moved by half of that


@dataclass(frozen=True)
class Attributions:
    """Of some photographs `[N, C, S, S]` and one output of each: maps `[N, C, S, S]`, `[N, S, S]` where they have no
    colours. None where a method is not defined.

    `difference` is what the output has of the photograph more than of the mean colour, which integrated gradients sum
    up to, `[N]`. `cam_side` is that of the map that Grad-CAM weighs.
    """

    saliency: Tensor
    guided: Tensor | None
    integrated: Tensor
    difference: Tensor
    cam: Tensor | None
    cam_side: int
    occlusion: Tensor


def attributions(network: nn.Module, x: Tensor, targets: Tensor, guided: bool) -> Attributions:
    """For the outputs `targets` `[N]` of the photographs `x`, `[N, C, S, S]`, which went through the preprocessing.

    `network` is one of `readied`; `guided` says whether guided backpropagation is defined for it.
    """
    from captum.attr import GuidedBackprop, IntegratedGradients, Occlusion, Saliency

    with quiet():
        saliency = Saliency(network).attribute(_own(x), target=targets, abs=True)
        back = GuidedBackprop(network).attribute(_own(x), target=targets) if guided else None
        integrated = IntegratedGradients(network).attribute(
            _own(x), torch.zeros_like(x), target=targets, n_steps=INTEGRATED, internal_batch_size=max(AT_ONCE, len(x))
        )
        window = max(1, x.shape[-1] // WINDOW)
        stride = (x.shape[1], max(1, window // 2), max(1, window // 2))
        with torch.no_grad():
            occlusion = Occlusion(network).attribute(
                x, (x.shape[1], window, window), strides=stride, baselines=0, target=targets
            )
    cam, side = grad_cam(network, x, targets)
    with torch.no_grad():
        outputs = network(torch.cat([x, torch.zeros_like(x[:1])]))
    picked = outputs[:-1].gather(1, targets[:, None])[:, 0] - outputs[-1].gather(0, targets)
    return Attributions(
        saliency.detach().amax(1), None if back is None else back.detach(), integrated.detach(), picked, cam, side,
        occlusion.mean(1),
    )  # fmt: skip


def grad_cam(network: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor | None, int]:
    """Grad-CAM at the pixels of `x`, `[N, S, S]`, and the side of the map that it is of; None and 0 where none is.

    The map is the last one that is as large as that of the last convolution: a block's output, where that ends one.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    for name in _last_maps(network, x):
        try:
            with quiet():
                found = LayerGradCam(network, network.get_submodule(name)).attribute(
                    _own(x), target=targets, relu_attributions=True
                )
        except RuntimeError:  # a module that also hands on what nothing reads, and so has no gradient
            continue
        found = found[-1] if isinstance(found, tuple) else found
        large = LayerAttribution.interpolate(found.detach(), tuple(x.shape[2:]), interpolate_mode="bilinear")
        assert isinstance(large, Tensor)
        return large[:, 0].clamp(min=0), found.shape[-1]
    return None, 0


def _last_maps(network: nn.Module, x: Tensor) -> list[str]:
    """The modules that put out the map, the best first; none where it comes as tokens, or there is none that can be
    told without an image."""
    layers, side = layers_of(network, x[:1]), x.shape[-1]
    if not layers:
        return []
    try:
        taps = maps_of(network, run_of(network, side, x.shape[1]), side)
    except ValueError:
        return []
    tap = taps.get(2 ** round(math.log2(side / layers[-1].side)))
    return [] if tap is None or tap.tokens else [tap.name, layers[-1].end]


def _own(x: Tensor) -> Tensor:
    """A copy that has gradients, so that captum has nothing to set, and leaves nothing behind."""
    return x.detach().clone().requires_grad_()
