"""Heads on networks: parameters by the papers, tables exact, starts that are the identity, and any network below."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas.baselines.unet import UNet
from nas.baselines.zoo import build
from nas.heads import HEADS
from nas.heads.aspp import ASPP
from nas.heads.context import TABLE_1, context_network
from nas.heads.fcn import FCN, VGG_HIDDEN, upsampling
from nas.heads.segmenter import segmenter
from searchspaces.cost import shapes_only

VOC = 21  # classes


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# ---------------------------------------------------------------------------- the papers' figures


@pytest.mark.parametrize(("channels", "expected"), [(1, 31_030_658), (3, 31_031_810)])
def test_unet_is_the_paper_s(channels: int, expected: int) -> None:
    """Figure 1: 572 pixels in, 388 out, and the 23 convolutions' weights and biases."""
    with shapes_only():
        unet = UNet(channels, 2).eval()
    assert params(unet) == expected
    assert unet(torch.empty(1, channels, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    assert sum(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in unet.modules()) == 23


def test_fcn_on_vgg16_is_the_paper_s() -> None:
    """The authors' Caffe models (table 1 of the paper says 134M): VGG-16's convolutions, fc6 and fc7 as convolutions,
    scores of 21 classes, and upsampling of 4x4 without bias between all classes. The last upsampling, of 64x64, 32x32
    or 16x16, is fixed there, and interpolation here."""
    convolutions = sum(p.numel() for name, p in build("vgg16").named_parameters() if name.startswith("conv"))
    assert convolutions == 14_714_688
    fc6, fc7, score = 7 * 7 * 512 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * VOC + VOC
    fcn32 = convolutions + fc6 + fc7 + score
    fcn16 = fcn32 + (512 * VOC + VOC) + 4 * 4 * VOC * VOC  # score_pool4, upscore2
    fcn8 = fcn16 + (256 * VOC + VOC) + 4 * 4 * VOC * VOC  # score_pool3, upscore_pool4
    assert (fcn32, fcn16, fcn8) == (134_346_581, 134_364_410, 134_376_863)
    pooled = {8: 256, 16: 512, 32: 512}  # the channels of pool3, pool4 and pool5
    for strides, expected in (((32,), fcn32), ((16, 32), fcn16), ((8, 16, 32), fcn8)):
        with shapes_only():
            head = FCN({stride: pooled[stride] for stride in strides}, VOC, VGG_HIDDEN)
        assert convolutions + params(head) == expected


def test_aspp_is_the_paper_s() -> None:
    """torchvision's deeplabv3_resnet50 has 42,004,074 parameters: ResNet-50's 23,508,032 without its classifier, an
    auxiliary classifier's 2,365,205, and this with a further 3x3 convolution of 256 channels and its norm."""
    with shapes_only():
        head = ASPP({16: 2048}, VOC)
    assert 23_508_032 + 2_365_205 + params(head) + 9 * 256 * 256 + 2 * 256 == 42_004_074


@pytest.mark.parametrize("large", [False, True])
def test_the_context_network_is_table_1(large: bool) -> None:
    network = context_network(VOC, large)
    convs = [part for part in network if isinstance(part, nn.Conv2d)]
    assert [conv.dilation[0] for conv in convs] == [1, 1, 2, 4, 8, 16, 1, 1]
    widths = [VOC * times for times in ((2, 2, 4, 8, 16, 32, 32, 1) if large else (1,) * 8)]
    assert [conv.out_channels for conv in convs] == widths
    fields = [1 + sum(row.dilation * (row.kernel - 1) for row in TABLE_1[: n + 1]) for n in range(8)]
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]
    weights = sum(conv.weight.numel() for conv in convs)
    multiples = zip((1, *(width // VOC for width in widths)), [width // VOC for width in widths], strict=False)
    kernels = (9, 9, 9, 9, 9, 9, 9, 1)
    assert weights == VOC**2 * sum(k * a * b for k, (a, b) in zip(kernels, multiples, strict=False))
    assert large or weights == 64 * VOC**2  # "approximately 64 C^2"


def test_the_context_network_sees_67_pixels() -> None:
    network = context_network(3)
    for part in network:
        if isinstance(part, nn.Conv2d):
            nn.init.ones_(part.weight)
    x = torch.zeros(1, 3, 99, 99, requires_grad=True)
    network(x + 1)[0, 0, 49, 49].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero()
    assert seen.amin(0).tolist() == [49 - 33, 49 - 33]
    assert seen.amax(0).tolist() == [49 + 33, 49 + 33]


@pytest.mark.parametrize("large", [False, True])
def test_the_context_network_starts_as_the_identity(large: bool) -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 4, 12, 12)
    torch.testing.assert_close(context_network(4, large)(x), x, atol=0.2 if large else 0.0, rtol=0.0)


def test_upsampling_starts_as_interpolation() -> None:
    x = torch.randn(1, 3, 8, 8)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsampling(3)(x)[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


# ---------------------------------------------------------------------------- on any network


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v2@0.5", "vgg11", "resnet8"])
def test_every_head_stands_on_networks(name: str, network: str) -> None:
    """Of another size than they are built for, not square, and of an odd number of pixels."""
    torch.manual_seed(0)
    module = segmenter(build(network, 10, 64), name, num_classes=5, image_size=64)
    scores = module(torch.randn(2, 3, 64, 79))
    assert scores.shape == (2, 5, 64, 79)
    scores.square().mean().backward()
    if not name.startswith("fcn"):  # whose scores are zero at the start, and so are the gradients below them
        assert all(p.grad is not None for p in module.parameters())


def test_the_backbone_keeps_its_weights() -> None:
    network = build("resnet18", 10, 64)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    after = segmenter(network, "context", 3, 64).state_dict()
    own = {n.removeprefix("backbone.network."): t for n, t in after.items() if n.startswith("backbone.")}
    assert own and all(torch.equal(tensor, before[name]) for name, tensor in own.items())


def test_heads_learn_a_pattern(learned: Callable[[nn.Module], float]) -> None:
    for name in ("fcn8", "unet_bilinear", "context", "aspp"):
        torch.manual_seed(0)
        assert learned(segmenter(build("resnet8@0.5", 10, 32), name, num_classes=2, image_size=32)) > 0.9, name


@pytest.fixture
def learned() -> Callable[[nn.Module], float]:
    """The share of pixels that a network has right after 40 steps on bright discs before a dark ground."""

    def of(module: nn.Module) -> float:
        random = torch.Generator().manual_seed(1)
        optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
        rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")

        def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
            middle = torch.randint(8, 24, (n, 2, 1, 1), generator=random)
            discs = (rows - middle[:, 0]) ** 2 + (columns - middle[:, 1]) ** 2 < 40
            x = torch.randn(n, 3, 32, 32, generator=random) * 0.5 + discs[:, None]
            return x, discs.long()

        for _ in range(40):
            x, y = batch(8)
            F.cross_entropy(module(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        x, y = batch(16)
        module.eval()
        with torch.no_grad():
            return (module(x).argmax(1) == y).double().mean().item()

    return of


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"no head 'fnc8': choose one of fcn32, fcn16, fcn8, unet"):
        segmenter(build("resnet8", 10, 32), "fnc8", 5, 32)
    with pytest.raises(ValueError, match="unet needs images of at least 188 pixels, not 32"):
        build("unet", 2, 32)
