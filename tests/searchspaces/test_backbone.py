"""A network as its feature maps: the whole zoo, all spaces, and modules that a person writes."""

from __future__ import annotations

import copy
from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.baselines.zoo import BASELINES, build
from searchspaces import SPACES, get_space
from searchspaces.backbone import Backbone, Nothing
from searchspaces.cost import shapes_only

# Of ImageNet's forms: the channels of the maps of stride 4, 8, 16 and 32, as the papers' tables have them
CHANNELS = {
    "vgg16": (256, 512, 512, 512),
    "googlenet": (192, 480, 832, 1024),
    "inception_v3": (192, 288, 768, 2048),
    "resnet18": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "densenet121": (256, 512, 1024, 1024),
    "mobilenet_v1": (128, 256, 512, 1024),
    "mobilenet_v2": (24, 32, 96, 320),
    "shufflenet_v2_x1_0": (24, 116, 232, 464),
    "nasnet_a_mobile": (44, 264, 528, 1056),
    "mnasnet_a1": (24, 40, 112, 320),
    "efficientnet_b0": (24, 40, 112, 320),
    "nfnet_f0": (256, 512, 1536, 1536),
}
DEEP = ("1202", "250", "190", "200", "269", "264")  # as others of their families, in seconds


@pytest.mark.parametrize("name", [name for name in BASELINES if not any(depth in name for depth in DEEP)])
def test_every_baseline_is_a_backbone(name: str) -> None:
    baseline = BASELINES[name]
    side = baseline.image_size
    with shapes_only():
        network = build(name, baseline.num_classes, side)
    whole = sum(p.numel() for p in network.parameters())
    names = set(network.state_dict())
    backbone = Backbone(network, side).eval()
    with torch.no_grad():
        maps = backbone(torch.empty(2, 3, side, side, device="meta"))
    assert maps.keys() == backbone.channels.keys()
    for stride, values in maps.items():
        assert values.shape[:2] == (2, backbone.channels[stride])
        assert 2**-0.5 <= side / values.shape[-1] / stride <= 2**0.5
    if name in CHANNELS:
        assert tuple(backbone.channels[stride] for stride in (4, 8, 16, 32)) == CHANNELS[name]
    assert sum(p.numel() for p in backbone.parameters()) < whole  # the classifier is gone
    assert {name.removeprefix("network.") for name in backbone.state_dict()} < names


@pytest.mark.parametrize("name", SPACES)
def test_every_space_has_backbones(name: str) -> None:
    space = get_space(name)
    for seed in range(3):
        arch = space.sample(Random(seed))
        with shapes_only():
            network = space.build(arch, 10, 64)
        backbone = Backbone(network, 64).eval()
        maps = backbone(torch.empty(1, 3, 64, 64, device="meta"))
        assert maps
        assert all(maps[stride].shape[1:] == (c, 64 // stride, 64 // stride) for stride, c in backbone.channels.items())


def test_maps_are_those_of_the_network() -> None:
    network = build("resnet18", 10, 64).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected, rows = {}, x
        for name, row in network.named_children():
            expected[name] = rows = row(rows)
        logits = network(x)
        maps = Backbone(copy.deepcopy(network), 64)(x)
    assert torch.equal(maps[max(maps)], expected["conv5_x"])
    assert torch.equal(network(x), logits)


def test_only_the_strides_that_are_asked_for() -> None:
    backbone = Backbone(build("mobilenet_v2", 10, 96), 96, strides=(4, 8))
    maps = backbone(torch.randn(2, 3, 96, 96))
    assert {stride: tuple(values.shape[1:]) for stride, values in maps.items()} == {4: (24, 24, 24), 8: (32, 12, 12)}
    sum(values.sum() for values in maps.values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in backbone.parameters())  # what comes later is gone
    with pytest.raises(ValueError, match="no map of stride 64 at 96 pixels: it has those of 2, 4, 8, 16, 32"):
        Backbone(build("mobilenet_v2", 10, 96), 96, strides=(64,))


def test_auxiliary_classifiers_are_gone() -> None:
    network = build("googlenet+aux", 10, 128)
    backbone = Backbone(network, 128).train()
    maps = backbone(torch.randn(2, 3, 128, 128))
    sum(values.sum() for values in maps.values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in backbone.parameters())


def test_a_copy_has_maps_of_its_own() -> None:
    backbone = Backbone(build("resnet8", 10, 32), 32).eval()
    other = copy.deepcopy(backbone)
    nn.init.zeros_(other.network.get_parameter("conv1.0.weight"))
    x = torch.randn(1, 3, 32, 32)
    assert not torch.equal(backbone(x)[4], other(x)[4])


class Written(nn.Module):
    """As people write them: layers by name, a shared pooling, functions between, weights of the classifier by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.body = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)])
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        for conv in self.body:
            x = self.act(conv(self.pool(x)))
        return F.linear(x.mean((2, 3)), self.fc.weight)


def test_a_module_of_one_s_own() -> None:
    backbone = Backbone(Written(), 32)
    assert backbone.channels == {1: 8, 2: 8, 4: 12}
    assert not any(isinstance(part, Nothing) for part in backbone.network.children())  # its weights are still read
    maps = backbone(torch.randn(2, 3, 48, 32))
    assert {stride: tuple(values.shape[2:]) for stride, values in maps.items()} == {
        1: (48, 32),
        2: (24, 16),
        4: (12, 8),
    }
    assert all((values >= 0).all() for values in maps.values())


def test_what_has_no_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="makes no maps"):
        Backbone(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10)), 8)


# Paddings of all kinds: of half the kernel, TensorFlow's, none, poolings that round up
EXACT = (
    ("resnet8", 32), ("preact_resnet18", 96), ("mobilenet_v2", 96), ("densenet121", 101), ("shufflenet_v2_x0_5", 101),
    ("efficientnet_lite0", 96), ("efficientnet_lite0", 101), ("squeezenet1_1", 96), ("squeezenet1_1", 101),
    ("googlenet", 96), ("googlenet", 101), ("nasnet_a_mobile", 101), ("inception_v3", 160),
)  # fmt: skip


@pytest.mark.parametrize(("name", "side"), EXACT)
def test_dilation_is_exact(name: str, side: int) -> None:
    strided = _normed(build(name, 10, side).double())
    dilated = copy.deepcopy(strided)
    x = torch.randn(1, 3, side, side, dtype=torch.float64)
    with torch.no_grad():
        maps = Backbone(strided, side).eval()(x)
        stride, last = sorted(maps)[-3], maps[max(maps)]
        large = Backbone(dilated, side, output_stride=stride).eval()(x)
    assert max(large) == stride
    assert large[stride].shape[-1] > 3 * last.shape[-1]
    torch.testing.assert_close(large[stride][:, :, ::4, ::4], last)


def test_dilation_keeps_the_weights() -> None:
    network = build("resnet18", 10, 96)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    after = Backbone(network, 96, output_stride=16).state_dict()
    assert all(torch.equal(tensor, before[name.removeprefix("network.")]) for name, tensor in after.items())


def test_what_shrinks_by_functions_cannot_be_dilated() -> None:
    class Shrinking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(F.max_pool2d(self.one(x), 2)).mean((2, 3))

    with pytest.raises(ValueError, match="no output stride of 1"):
        Backbone(Shrinking(), 32, output_stride=1)


def _normed(network: nn.Module) -> nn.Module:
    """`network` with norms that are no identity."""
    torch.manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    return network
