"""A batch norm is folded where the layer before it can do its work and nothing else would notice, and there alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from nas import baselines
from nas.exports.files import example_images
from nas.exports.fold import Folding, fold_batch_norms
from nas.exports.job import Changes
from nas.exports.job import run as run_job
from nas.exports.target import Source
from nas.network import Designed
from searchspaces.layers import avg_pool, chain, concat, conv, flatten, head, linear, network, norm_act, preactivated

PIXELS = 8


def trained(module: nn.Module, images: Tensor | None = None) -> nn.Module:
    """`module` with norms that have seen images and whose scales and shifts are not as they began."""
    images = example_images(PIXELS) if images is None else images
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.affine:
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    with torch.no_grad():
        module.train()(images)
        module(images + 0.1)
    return module.eval()


def folded(module: nn.Module) -> Folding:
    """`module` folded, which gives the same logits, and was left as it was."""
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = fold_batch_norms(module, PIXELS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    dtype = next(module.parameters()).dtype
    for batch in (1, 3):
        images = torch.randn(batch, 3, PIXELS, PIXELS, dtype=dtype)
        with torch.no_grad():
            assert torch.allclose(found.module(images), module(images), atol=1e-4, rtol=1e-4)
    return found


class Body(nn.Module):
    """A convolution and its norm, and what else a forward may do with them, by `way`."""

    def __init__(self, way: Callable[[Body, Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.other = nn.Conv2d(3, 4, 3, padding=1)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x).mean((2, 3))


WAYS: dict[str, tuple[Callable[[Body, Tensor], Tensor], bool]] = {
    "as it stands": (lambda self, x: self.body(x), True),
    "one by one": (lambda self, x: F.relu(self.body[1](self.body[0](x))), True),
    "its shape": (lambda self, x: self.body(x) * self.body[0](x).shape[1], False),  # it is called twice
    "a skip around the norm": (lambda self, x: self.body[1](y := self.body[0](x)) + y, False),
    "the convolution by itself": (lambda self, x: self.body(x) + self.body[0](x), False),
    "a view of its output": (lambda self, x: self.body[1](y := self.body[0](x)) + y.flip(2), False),
    "the norm on something else": (lambda self, x: self.body(x) + self.body[1](self.other(x)), False),
    "twice": (lambda self, x: self.body(self.body(x)[:, :3]), False),
    "its weights elsewhere": (lambda self, x: self.body(x) + F.conv2d(x, self.body[0].weight, padding=1), False),
    "its weights' norm": (lambda self, x: self.body(x) * self.body[0].weight.norm(), False),
    "the norm's scale": (lambda self, x: self.body(x) + self.body[1].weight.sum(), False),
    "in place before the norm": (lambda self, x: self.body[1](F.relu_(self.body[0](x))), False),
    "added in place": (lambda self, x: self.body[1](self.body[0](x).add_(1)), False),
    "the output alone": (lambda self, x: self.body[0](x), False),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_norm_must_be_all_that_reads_the_convolution(way: str) -> None:
    how, foldable = WAYS[way]
    found = folded(trained(Body(how)))
    assert (found.folded, found.norms) == (int(foldable), 1)


def pair(layer: nn.Module, norm: nn.Module, *after: nn.Module) -> nn.Module:
    return nn.Sequential(layer, norm, *after)


def hooked(module: nn.Module) -> nn.Module:
    module[0].register_forward_hook(lambda *_: None)  # type: ignore[operator, index]
    return module


def tied(module: nn.Module) -> nn.Module:
    """Another layer, that evaluation does not call, has its weights."""
    module.spare = nn.Conv2d(3, 4, 3)  # type: ignore[assignment]
    module.spare.weight = module[0].weight  # type: ignore[index]
    return nn.Sequential(module[0], module[1], OnlyInTraining(module.spare))  # type: ignore[index]


class OnlyInTraining(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return x


class AlwaysTraining(nn.BatchNorm2d):
    def train(self, mode: bool = True) -> AlwaysTraining:
        return super().train(True)


class Doubled(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def quiet_channels(module: nn.Module) -> nn.Module:
    """Channels that never vary, of which a norm with a tiny eps makes a great deal."""
    norm = module[1]  # type: ignore[index]
    norm.eps = 1e-12
    norm.running_var[:2] = 0
    return module


KINDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "no affine": (lambda: pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), 1),
    "no momentum": (lambda: pair(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, momentum=None)), 1),
    "groups": (lambda: pair(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6)), 1),
    "reflected": (lambda: pair(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4)), 1),
    "same": (lambda: pair(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4)), 1),
    "transposed": (lambda: pair(nn.ConvTranspose2d(3, 4, 3, 2), nn.BatchNorm2d(4)), 1),
    "transposed, groups": (lambda: pair(nn.ConvTranspose2d(3, 6, 3, 2, groups=3), nn.BatchNorm2d(6)), 1),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5)), 1),
    "of tokens": (lambda: nn.Sequential(nn.Flatten(2), nn.Linear(64, 3), nn.BatchNorm1d(3)), 0),
    "one dimension": (lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), 1),
    "three dimensions": (lambda: nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4)), 1),
    "double": (lambda: pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), 1),
    "its own statistics": (lambda: pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), 0),
    "always in training": (lambda: pair(nn.Conv2d(3, 4, 3), AlwaysTraining(4)), 0),
    "a subclass": (lambda: pair(Doubled(3, 4, 3), nn.BatchNorm2d(4)), 0),
    "hooked": (lambda: hooked(pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))), 0),
    "tied": (lambda: tied(pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))), 0),
    "weight norm": (lambda: pair(parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)), 0),
    "instance norm": (lambda: pair(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True)), 0),
    "a ReLU between": (lambda: pair(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_layers_and_norms(kind: str) -> None:
    build, number = KINDS[kind]
    module = trained(build())
    found = folded(module.double() if kind == "double" else module)
    assert found.folded == number
    left = sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in found.module.modules())
    assert left == found.norms - found.folded


def test_channels_that_never_vary() -> None:
    assert folded(quiet_channels(trained(pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())))).norms == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_few_bits_are_not_rounded_again(dtype: torch.dtype) -> None:
    module = trained(pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))).to(dtype)
    assert fold_batch_norms(module, PIXELS).folded == 0


def test_one_module_in_two_places_stays() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    found = folded(trained(nn.Sequential(conv, nn.BatchNorm2d(3), conv, nn.BatchNorm2d(3))))
    assert (found.folded, found.norms) == (0, 2)


def test_norms_behind_tensorflows_convolutions_and_across_rows_are_folded() -> None:
    module = network(conv(4, 3, 2, padding="tf", norm=None, act=None), norm_act(), chain(conv(4), flatten()), linear(4))
    assert folded(trained(module))[1:] == (2, 2)


def test_a_norm_behind_a_concatenation_stays() -> None:
    module = network(conv(8, 3, 2), concat(conv(8), avg_pool()), preactivated(conv(8, norm=None, act=None)), head(4))
    assert folded(trained(module))[1:] == (2, 3)


@pytest.mark.parametrize(
    ("name", "number", "norms"),
    [("resnet8", 7, 7), ("preact_resnet20", 9, 19), ("shufflenet_v2_x0_5", 56, 56), ("densenet_bc_40_12", 18, 39)],
)
def test_networks_of_the_zoo(name: str, number: int, norms: int) -> None:
    module = baselines.build(name, 4, PIXELS)
    assert folded(trained(module))[1:] == (number, norms)


def test_what_cannot_be_traced_is_refused() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = pair(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.body[0](x) if x.mean() > 0 else self.body(x)
            return out

    with pytest.raises(ValueError, match="branch on values"):
        fold_batch_norms(Branching().eval(), PIXELS)


class Unseen(nn.Module):
    """Holds its norm in a list of its own, where a fold cannot find it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.layers = [self.conv, self.norm]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.mean((2, 3))


def test_a_fold_that_changes_the_logits_writes_nothing(tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), trained(Unseen()), (4, PIXELS), None)
    with pytest.raises(ValueError, match=r"with --fold-bn the network would give other logits .*differ by"):
        run_job(tmp_path / "out", ["pt2"], source, Changes(fold_bn=True), None, None, lambda _: None)
    assert not (tmp_path / "out").exists()


def test_files_are_held_to_the_network_before_it_was_folded(tmp_path: Path) -> None:
    small = trained(network(conv(8, 3, 2), concat(conv(8), avg_pool()), head(4)))
    source, images = Source(Designed("resnet8"), small, (4, PIXELS), None), example_images(PIXELS)
    for changes in (Changes(fold_bn=True), Changes(fold_bn=True, prune=0.5), Changes(prune=0.5)):
        with torch.no_grad():
            original = small(images)
        folder = tmp_path / str(changes.fold_bn) / str(changes.prune)
        written, _ = run_job(folder, ["pt2"], source, changes, None, None, lambda _: None).files
        again = torch.export.load(written.path).module()(images)
        assert written.difference is not None and written.difference < 1e-5
        assert written.from_original == pytest.approx((again - original).abs().max().item(), abs=1e-6)
        assert (written.from_original < 1e-5) == (changes.prune is None)
    written, _ = run_job(tmp_path / "as it is", ["pt2"], source, Changes(), None, None, lambda _: None).files
    assert written.from_original is None
