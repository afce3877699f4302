"""Standalone files build the same network, with PyTorch alone, and show its rows."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from nas import baselines
from nas.baselines.zoo import BASELINES
from nas.exports.factor import factor
from nas.exports.standalone import load_source, logits_of, standalone_source
from nas.exports.text import WIDTH, literal, render
from nas.exports.tree import expression_of
from searchspaces import SPACES, get_space
from searchspaces.layers import conv, head, network

# One of every kind of block, narrow where the family has a width
KINDS = (
    "lenet5", "alexnet", "squeezenet1_1@0.25", "googlenet", "highway19", "resnet8", "preact_resnet20",
    "stochastic_depth_resnet20", "densenet_bc_40_12", "mobilenet_v2@0.25", "shufflenet_v1_x0_25_g3",
    "shufflenet_v2_x1_0@0.25", "se_resnet18@0.25", "efficientnet_b0@0.25", "resnest50@0.1", "nasnet_a_cifar",
    "vit_b_16", "nfnet_f0", "inception_v3", "inception_resnet_v2", "xception",
)  # fmt: skip
HEAVY = {
    "googlenet",
    "alexnet",
    "vit_b_16",
    "nfnet_f0",
    "inception_v3",
    "inception_resnet_v2",
    "nasnet_a_cifar",
    "xception",
}
OURS = {"nas", "scaling", "searchspaces"}


def seen_by(module: nn.Module, pixels: int) -> nn.Module:
    """`module` with norms that have seen images, and no weight of zeros."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02, generator=generator)
    with torch.no_grad():
        module.train()(torch.randn(4, 3, pixels, pixels, generator=generator))
    return module.eval()


def assert_same(module: nn.Module, pixels: int) -> str:
    """The source of `module`, whose keys and logits are the module's."""
    source = standalone_source(module, "a network", pixels, 10)
    images = torch.randn(2, 3, pixels, pixels, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(logits_of(source, module.state_dict(), images), module.eval()(images))
    assert list(load_source(source).state_dict()) == list(module.state_dict())
    assert not OURS & set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE))
    return source


@pytest.mark.parametrize("name", sorted(SPACES))
def test_of_every_space(name: str) -> None:
    space = get_space(name)
    for seed in range(2):
        torch.manual_seed(seed)
        assert_same(seen_by(space.build(space.sample(random.Random(seed)), 10, 32), 32), 32)


def test_of_a_chain_with_skips_and_zero_padding() -> None:
    space = get_space("chain", layers=4, strides=True, pooling=1)
    arch = space.from_options({c.name: c.options[-1] for c in space.choices})
    source = assert_same(seen_by(space.build(arch, 10, 32), 32), 32)
    assert "def _zero_padded" in source and "reads" in source


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in KINDS]
)
def test_of_every_kind_of_baseline(name: str) -> None:
    torch.manual_seed(0)
    pixels = max(32, baselines.zoo.find(name).min_size)
    assert_same(seen_by(baselines.build(name, 10, pixels), pixels), pixels)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BASELINES))
def test_of_every_baseline(name: str) -> None:
    pixels = max(32, BASELINES[name].min_size)
    source = assert_same(baselines.build(name, 10, pixels), pixels)
    assert len(source.splitlines()) < 500


def test_training_is_the_same() -> None:
    module = baselines.build("resnet8", 10, 32)
    rebuilt = load_source(standalone_source(module, "resnet8", 32, 10))
    rebuilt.load_state_dict(module.state_dict())
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(module.train()(images), rebuilt.train()(images))
    assert all(torch.equal(a, b) for a, b in zip(module.buffers(), rebuilt.buffers(), strict=True))


def test_the_file_runs_with_pytorch_alone(tmp_path: Path) -> None:
    """In an interpreter that cannot import our packages, nor safetensors; it reads both formats of weights."""
    module = baselines.build("resnet8", 10, 32)
    (tmp_path / "network.py").write_text(standalone_source(module, "resnet8", 32, 10))
    save_file(module.state_dict(), tmp_path / "weights.safetensors", {"format": "pt"})
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    guard = f"import sys; sys.modules.update(dict.fromkeys({sorted(OURS | {'safetensors', 'numpy'})}))\n"
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.save(images, tmp_path / "images.pt")
    code = guard + (
        "sys.path.insert(0, '.'); import torch, network; from pathlib import Path\n"
        "model = network.network().eval(); images = torch.load('images.pt', weights_only=True)\n"
        "for name in ('weights.safetensors', 'weights.pt'):\n"
        "    network.read(Path(name)); model.load_state_dict(network.read(name))\n"
        "    torch.save(model(images).detach(), name + '.logits')\n"
        "sys.argv = ['network.py', '--weights', 'weights.safetensors']; network.main()\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("75,290 parameters, weights.safetensors: logits (1, 10)")
    with torch.no_grad():
        expected = module.eval()(images)
    for name in ("weights.safetensors", "weights.pt"):
        assert torch.equal(torch.load(tmp_path / f"{name}.logits", weights_only=True), expected)


def test_rows_and_repetitions_are_seen() -> None:
    source = standalone_source(baselines.build("resnet20", 10, 32), 'resnet20 """', 32, 10)
    assert "# conv 3x3: 32x32x16, 464 params, 442k MACs" in source
    assert '"conv1": conv_bn_relu(3, 16),' in source
    assert "nn.Sequential(*[residual(16) for _ in range(3)])" in source
    assert source.count("nn.Conv2d(") == 2
    assert max(map(len, source.splitlines())) <= WIDTH
    dense = standalone_source(baselines.build("densenet_bc_40_12", 10, 32), "densenet", 32, 10)
    assert "for c in range(24, " in dense


class Gate(nn.Module):
    """What a person's own space may have: a parameter, a buffer, a constant and a helper of its file."""

    def __init__(self, width: int, power: float) -> None:
        super().__init__()
        self.conv = conv(width, 1)(width)[0]
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.register_buffer("offset", torch.zeros(1))
        self.power, self.names = power, ("a", "b")

    def forward(self, x: Tensor) -> Tensor:
        return x + half(self.conv(x)).clamp(min=SMALLEST) ** self.power * self.scale + self.offset


SMALLEST = 1e-3


def half(x: Tensor) -> Tensor:
    return F.relu(x) / 2


class Stateful(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.seen = getattr(self, "seen", 0) + 1
        return x


class Opaque(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = F.relu

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_the_text_of_the_architecture_is_broken_at_commas_alone(name: str) -> None:
    space = get_space(name)
    text = max((f"{name}:{space.format(space.sample(random.Random(seed)))}" for seed in range(20)), key=len)
    lines = _header_of(text)
    assert "".join(lines) == text
    assert all(len(line) <= 120 for line in lines) and all(line.endswith(",") for line in lines[:-1])


def test_a_text_without_commas_is_not_broken() -> None:
    assert _header_of("x" * 300 + ",y") == ["x" * 300 + ",", "y"]


def _header_of(title: str) -> list[str]:
    """The first paragraph of the file's docstring."""
    docstring = ast.get_docstring(ast.parse(standalone_source(baselines.build("lenet5", 10, 32), title, 32, 10)))
    assert docstring is not None
    return docstring.split("\n\n")[0].split("\n")


def test_modules_of_ones_own_come_along() -> None:
    gates = network(conv(8, stride=2), *[lambda c, p=p: (Gate(c, p), c) for p in (1.0, 2.0, 0.5)], head(10))
    source = assert_same(gates, 16)
    assert "SMALLEST = 1e-3" in source and "def half(" in source and "nn.Parameter(torch.ones(scale))" in source


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Opaque\.act is .*cannot be written"):
        standalone_source(nn.Sequential(Opaque()), "", 8, 3)
    stateful = nn.Sequential(Stateful())
    stateful(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="Stateful has 'seen', which its __init__ does not set"):
        standalone_source(stateful, "", 8, 3)


def test_functions_have_what_differs_as_parameters() -> None:
    layers = [conv(c, k)(c // 2)[0] for c, k in ((8, 3), (16, 5), (32, 3))]
    functions, root = factor(expression_of(nn.Sequential(*layers)), set())
    (function,) = functions
    assert [arg.name for arg in function.parameters] == ["c", "kernel"]
    assert "nn.Conv2d(c, 2 * c, kernel, padding=kernel // 2, bias=False)" in render(function.body)
    assert render(root) == "nn.Sequential(conv_bn_relu(4, 3), conv_bn_relu(8, 5), conv_bn_relu(16, 3))"


def test_values_as_text() -> None:
    assert literal(("a", (1,), 0.5, None)) == '("a", (1,), 0.5, None)'
    assert eval(literal(float("-inf"))) == float("-inf")
    assert eval(literal('a"b\\')) == 'a"b\\'
