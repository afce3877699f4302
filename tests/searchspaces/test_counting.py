"""Every spelling of an operation counts the same; what cannot be counted is named; nothing is changed by it."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, weight_norm

from searchspaces.cost import Cost, cost, shapes_only

SIZE, FEATURES, OUT = 4, 48, 5  # pixels; numbers of an image; what a layer makes of them


class Layer(nn.Module):
    """One product of an image's 48 numbers with weights, spelled by `how`."""

    def __init__(self, how: Callable[[Layer, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(OUT, FEATURES)), nn.Parameter(torch.randn(OUT))
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x.flatten(1))


def product(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight.t()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch would rather not
    scripted_product = torch.jit.script(product)


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight.t()


LAYERS: dict[str, Callable[[Layer, Tensor], Tensor]] = {
    "F.linear": lambda self, x: F.linear(x, self.weight),
    "F.linear by name": lambda self, x: F.linear(input=x, weight=self.weight, bias=self.bias),
    "@": lambda self, x: x @ self.weight.t(),
    "@ of the weights": lambda self, x: (self.weight @ x.T).T,
    ".T": lambda self, x: x @ self.weight.T,
    "transpose": lambda self, x: x.matmul(self.weight.transpose(0, 1)),
    "torch.matmul": lambda self, x: torch.matmul(x, other=self.weight.mT),
    "matmul of more": lambda self, x: (x[:, None, None] @ self.weight.t()).flatten(1),
    "torch.mm": lambda self, x: torch.mm(x, self.weight.t()),
    "Tensor.mm": lambda self, x: x.mm(mat2=self.weight.t()),
    "torch.bmm": lambda self, x: torch.bmm(x[None], self.weight.t()[None])[0],
    "torch.addmm": lambda self, x: torch.addmm(self.bias, x, self.weight.t()),
    "Tensor.addmm_": lambda self, x: torch.zeros(len(x), OUT).addmm_(x, self.weight.t()),
    "torch.baddbmm": lambda self, x: torch.baddbmm(self.bias, x[None], self.weight.t()[None])[0],
    "torch.addbmm": lambda self, x: torch.addbmm(self.bias, x[None], self.weight.t()[None]),
    "torch.mv": lambda self, x: torch.mv(self.weight, x[0])[None],
    "torch.addmv": lambda self, x: torch.addmv(self.bias, self.weight, x[0])[None],
    "torch.inner": lambda self, x: torch.inner(x, self.weight),
    "torch.einsum": lambda self, x: torch.einsum("bi,oi->bo", x, self.weight),
    "torch.tensordot": lambda self, x: torch.tensordot(x, self.weight, dims=([1], [1])),
    "linalg.multi_dot": lambda self, x: torch.linalg.multi_dot([x, self.weight.t()]),
    "linalg.matmul": lambda self, x: torch.linalg.matmul(x, self.weight.T),
    "torch.ops": lambda self, x: torch.ops.aten.linear(x, self.weight),
    "an overload": lambda self, x: torch.ops.aten.mm.default(x, self.weight.t()),
    "of a function that was scripted": lambda self, x: scripted_product(x, self.weight),
    "of a function of one's own": lambda self, x: OwnFunction.apply(x, self.weight),  # type: ignore[no-untyped-call]
    "of normed weights": lambda self, x: x @ F.normalize(self.weight, dim=1).t(),
    "a convolution": lambda self, x: F.conv2d(x.view(-1, 3, 4, 4), self.weight.view(OUT, 3, 4, 4)).flatten(1),
    "torch.conv1d": lambda self, x: torch.conv1d(x[..., None], self.weight[..., None]).flatten(1),
    "torch.convolution": lambda self, x: torch.convolution(
        x[..., None], self.weight[..., None], None, [1], [0], [1], False, [0], 1
    ).flatten(1),
}  # fmt: skip


@pytest.mark.parametrize("without_numbers", [False, True], ids=["weights", "shapes"])
@pytest.mark.parametrize("how", LAYERS)
def test_every_spelling_of_a_layer(how: str, without_numbers: bool) -> None:
    with torch.device("meta" if without_numbers else "cpu"):
        layer = Layer(LAYERS[how])
    params = OUT * FEATURES + OUT
    assert cost(layer, SIZE) == Cost(params, OUT * FEATURES, OUT)


fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is the reference: pip install fvcore")
BY_FVCORE = ("F.linear", "@", "torch.matmul", "torch.bmm", "torch.addmm", "torch.einsum", "a convolution")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", BY_FVCORE)
def test_fvcore_counts_the_same(how: str) -> None:
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    layer, image = Layer(LAYERS[how]).eval(), torch.zeros(1, 3, SIZE, SIZE)
    macs = fvcore.FlopCountAnalysis(layer, image).by_operator()
    assert sum(macs.values()) == cost(layer, SIZE).macs
    assert fvcore.ActivationCountAnalysis(layer, image).total() == cost(layer, SIZE).activations


class Then(nn.Module):
    """A convolution, then `how`, then a linear layer, by which the shape is seen to be right."""

    def __init__(self, how: Callable[[Tensor], Tensor], features: int) -> None:
        super().__init__()
        self.conv, self.how, self.fc = nn.Conv2d(3, 6, 1), how, nn.Linear(features, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.how(self.conv(x)).flatten(1))
        return out


def augmented(x: Tensor) -> Tensor:
    x += 1
    x *= x
    return x


def reshaped_in_place(y: Tensor, x: Tensor) -> Tensor:
    y.unsqueeze_(1)
    return torch.cat([y.squeeze(1), x], 1)


ROW = torch.ones(1, 6, 1, 1)
SHAPED: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "torch.add by name": (lambda x: torch.add(x, other=x), 96),
    "torch.add all by name": (lambda x: torch.add(input=x, other=x), 96),
    "add with alpha": (lambda x: torch.add(x, x, alpha=2), 96),
    "add out": (lambda x: torch.add(x, 1, out=torch.empty_like(x)), 96),
    "a number first": (lambda x: torch.mul(2, x), 96),
    "what broadcasts to more": (lambda x: x.mean((2, 3), keepdim=True).add(x), 96),
    "what broadcasts to more dimensions": (lambda x: torch.add(x[0, 0, 0, 0], other=x), 96),
    "weights times an image": (lambda x: ROW * x, 96),
    "F.relu by name": (lambda x: F.relu(input=x, inplace=True), 96),
    "operators": (lambda x: (1 - x) / 2 + x**2 - x, 96),
    "in place": (lambda x: x.add_(1).mul_(2).relu_().clamp_(0), 96),
    "augmented": (augmented, 96),
    "sigmoid": (lambda x: x * x.sigmoid() * torch.sigmoid(x) * F.sigmoid(x), 96),
    "mean of all but one": (lambda x: x.mean([-1, 2]), 6),
    "mean by name": (lambda x: torch.mean(x, dim=1, keepdim=True), 16),
    "mean over no dimension": (lambda x: x.mean(()).view(1, 1), 1),
    "mean of all": (lambda x: x.mean().view(1, 1), 1),
    "cat": (lambda x: torch.cat([x, x[:, :2]], dim=-3), 128),
    "cat by name": (lambda x: torch.cat(tensors=(x, x), dim=2), 192),
    "concat": (lambda x: torch.concat([x, x], 1), 192),
    "stack": (lambda x: torch.stack([x, x]).transpose(0, 1), 192),
    "flatten": (lambda x: torch.flatten(x, start_dim=2, end_dim=-1), 96),
    "pools": (lambda x: F.adaptive_avg_pool2d(x, (None, 2)), 48),
    "other pools": (lambda x: F.max_pool2d(F.avg_pool2d(x, 2), kernel_size=2), 6),
    "reshaped in place": (lambda x: reshaped_in_place(F.relu(x), x), 192),
    "softmax": (lambda x: F.softmax(x, dim=1) + torch.softmax(x, 1) + x.softmax(1), 96),
    "layer norm": (lambda x: F.layer_norm(x, (4, 4)), 96),
    "group norm": (lambda x: F.group_norm(x, 3), 96),
    "indexing": (lambda x: x[:, ::2, 1:], 36),
}


@pytest.mark.parametrize("name", SHAPED)
def test_what_is_not_counted_gives_the_right_shapes(name: str) -> None:
    how, features = SHAPED[name]
    network = Then(how, features)
    with torch.no_grad():
        assert network(torch.randn(1, 3, SIZE, SIZE)).shape == (1, 2)
    assert cost(network, SIZE).macs == 3 * 6 * SIZE**2 + 2 * features


# ---------------------------------------------------------------------------- products of an image with itself


class Attention(nn.Module):
    def __init__(self, how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.qkv, self.how = nn.Linear(3, 12), how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(*self.qkv(x.flatten(2).transpose(1, 2)).chunk(3, dim=-1))


ATTENTIONS: list[Callable[[Tensor, Tensor, Tensor], Tensor]] = [
    F.scaled_dot_product_attention,
    lambda q, k, v: (q @ k.transpose(1, 2)).softmax(-1) @ v,
    lambda q, k, v: torch.bmm(torch.bmm(q, k.mT).softmax(-1), v),
    lambda q, k, v: torch.einsum("bqk,bkc->bqc", torch.einsum("bqc,bkc->bqk", q, k).softmax(-1), v),
]


@pytest.mark.parametrize("how", ATTENTIONS)
def test_of_attention_the_projections_count(how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    assert cost(Attention(how), SIZE).macs == SIZE**2 * 3 * 12


def test_pytorchs_attention_and_recurrent_layers() -> None:
    class Sequence(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2).repeat(1, 1, 2)  # 16 of 6 channels
            out = self.layer(tokens, tokens, tokens) if isinstance(self.layer, nn.MultiheadAttention) else None
            out = self.layer(tokens) if out is None else out
            first: Tensor = out[0] if isinstance(out, tuple) else out
            return first

    projections = 4 * 16 * 6 * 6
    assert cost(Sequence(nn.MultiheadAttention(6, 2, batch_first=True)), SIZE).macs == projections
    encoder = nn.TransformerEncoderLayer(6, 2, 10, batch_first=True)
    assert cost(Sequence(encoder), SIZE).macs == projections + 2 * 16 * 6 * 10
    assert cost(Sequence(nn.LSTM(6, 7, batch_first=True)), SIZE).macs == 16 * 4 * 7 * (6 + 7)
    assert cost(Sequence(nn.GRU(6, 7, batch_first=True)), SIZE).macs == 16 * 3 * 7 * (6 + 7)


@pytest.mark.parametrize("how", ATTENTIONS)
def test_nothing_but_such_products_is_refused_by_name(how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    network = nn.Sequential(nn.Flatten(2))
    network.forward = lambda x: how(*[x.flatten(2)] * 3)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"cannot count the Sequential: .*(bmm|scaled_dot_product)"):
        cost(network, SIZE)


def test_pooling_alone_costs_nothing() -> None:
    assert cost(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), SIZE) == Cost(0, 0, 0)


# ---------------------------------------------------------------------------- what cannot be counted


class Calls(nn.Module):
    def __init__(self, how: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.conv, self.how = nn.Conv2d(3, 3, 1), how

    def forward(self, x: Tensor) -> Any:
        return self.how(self.conv(x))


def compiled() -> nn.Module:
    module = nn.Conv2d(3, 4, 1)
    module.compile()
    return module


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (lambda: torch.jit.script(nn.Conv2d(3, 4, 1)), "a scripted or traced module .Conv2d.: count the"),
    "traced": (lambda: torch.jit.trace(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 4, 4)), "a scripted or traced module"),
    "scripted within": (lambda: nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 1))), "a scripted or traced module"),
    "compiled": (lambda: torch.compile(nn.Conv2d(3, 4, 1)), "a compiled module"),
    "compiled in place": (compiled, "a compiled module .Conv2d."),
    "bilinear": (lambda: Calls(lambda x: F.bilinear(x, x, torch.ones(2, 4, 4))), "cannot count aten::_trilinear"),
    "a branch": (lambda: Calls(lambda x: x if x.mean() > 0 else -x), "numbers of an image"),
    "an item": (lambda: Calls(lambda x: x * x[0, 0, 0, 0].item()), "Tensor.item needs the numbers of an image"),
    "a selection": (lambda: Calls(lambda x: x[x > 0]), "numbers of an image"),
    "an array": (lambda: Calls(lambda x: x.numpy()), "Tensor.numpy needs the numbers of an image"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_counted_is_named(what: str) -> None:
    build, message = REFUSED[what]
    with pytest.raises(ValueError, match=message) as caught:
        cost(build(), SIZE)
    assert "\n" not in str(caught.value)


UNFIT: dict[str, Callable[[], nn.Module]] = {
    "channels": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(16, 4, 1)),
    "groups": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(16, 4, 1, groups=2)),
    "a norm": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(16)),
    "a norm without weights": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(1, affine=False)),
    "a layer norm": lambda: nn.LayerNorm([3, 5, 5]),
    "a linear layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(47, 2)),
    "types": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1).double()),
    "a product": lambda: Calls(lambda x: x @ torch.ones(5, 2)),
    "a sum": lambda: Calls(lambda x: x + x[..., :3]),
    "a sum in place": lambda: Calls(lambda x: x[:, :1].add_(x)),
    "dimensions": lambda: nn.Sequential(nn.Flatten(), nn.Conv2d(3, 3, 1)),
    "more dimensions": lambda: Calls(lambda x: F.conv2d(x[None], torch.ones(3, 3, 1, 1))),
    "a bias": lambda: Calls(lambda x: F.conv2d(x, torch.ones(2, 3, 1, 1), torch.ones(3))),
    "groups that do not divide": lambda: Calls(lambda x: F.conv2d(x, torch.ones(4, 1, 1, 1), groups=3)),
    "a stride and the same size": lambda: Calls(
        lambda x: F.conv2d(x, torch.ones(3, 3, 3, 3), stride=2, padding="same")
    ),
    "no channels": lambda: Calls(lambda x: F.conv2d(x, torch.ones(0, 3, 1, 1))),
    "a stride of none": lambda: Calls(lambda x: F.conv2d(x, torch.ones(3, 3, 1, 1), stride=0)),
    "a concatenation": lambda: Calls(lambda x: torch.cat([x, x[..., :2]], 1)),
    "a mean of what is not there": lambda: Calls(lambda x: x.mean(4)),
    "a mean of one dimension twice": lambda: Calls(lambda x: x.mean((2, 2))),
    "a kernel that is too large": lambda: nn.Conv2d(3, 3, 5),
    "a padding below zero": lambda: nn.Conv2d(3, 3, 3, padding=-1),
    "a transposed layer's channels": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(16, 4, 2)),
    "a transposed layer's groups": lambda: Calls(lambda x: F.conv_transpose2d(x, torch.ones(3, 1, 1, 1), groups=2)),
    "a transposed layer's padding below zero": lambda: nn.ConvTranspose2d(3, 4, 2, padding=-1),
    "a transposed layer's output padding": lambda: nn.ConvTranspose2d(3, 4, 2, output_padding=1),
    "a layer norm's weights": lambda: Calls(lambda x: F.layer_norm(x, (4,), torch.ones(3))),
    "a softmax of what is not there": lambda: nn.Softmax(4),
    "a log softmax of what is not there": lambda: nn.LogSoftmax(-5),
    "a shuffle": lambda: nn.ChannelShuffle(2),
    "an index of what is not there": lambda: Calls(lambda x: x[:, 3]),
}


@pytest.mark.parametrize("what", UNFIT)
def test_layers_that_do_not_fit_are_refused_as_pytorch_does(what: str) -> None:
    network = UNFIT[what]()
    with pytest.raises((RuntimeError, IndexError, ValueError)), torch.no_grad():
        network.eval()(torch.randn(1, 3, SIZE, SIZE))
    with pytest.raises(ValueError, match=f"the network does not take 3x{SIZE}x{SIZE} images"):
        cost(network, SIZE)


def test_lazy_layers_that_do_not_fit_are_refused_alike() -> None:
    with pytest.raises(ValueError, match="the network does not take"):
        cost(nn.Sequential(nn.LazyConv2d(3, 1), nn.Flatten(5)), SIZE)


def test_what_marks_a_layer_for_the_profiler_counts_nothing() -> None:
    def marked(x: Tensor) -> Tensor:
        with torch.profiler.record_function("a mark"):
            return x * 2

    assert cost(Calls(marked), SIZE) == cost(nn.Conv2d(3, 3, 1), SIZE)
    assert cost(nn.DataParallel(nn.Conv2d(3, 3, 1)), SIZE) == cost(nn.Conv2d(3, 3, 1), SIZE)


def test_one_number_stands_for_all_dimensions() -> None:
    one = Calls(lambda x: F.conv2d(x, torch.ones(4, 3, 2, 2), stride=(2,), padding=[1], dilation=(1,)))  # type: ignore[arg-type]
    assert cost(one, SIZE).macs == 3 * 3 * SIZE**2 + 3 * 3 * 4 * 3 * 2 * 2


# ---------------------------------------------------------------------------- nothing is changed


class Restless(nn.Module):
    """Its forward changes what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = weight_norm(nn.Conv2d(3, 4, 1))
        self.other = parametrizations.weight_norm(nn.Conv2d(4, 4, 1))
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.other(self.conv(x)))
        self.calls += 1
        self.mean.mul_(0.9).add_(x.mean((0, 2, 3)))
        self.mean = self.mean + 1
        self.last = F.dropout(x, 0.5, training=True) + torch.rand(4, 1, 1) + torch.randn(1, device="cpu")
        self.new = self.last
        return self.last


def state_of(module: nn.Module) -> list[Any]:
    """All that one can ask of `module` and its parts."""
    return [
        (name, type(part), {k: id(v) for k, v in vars(part).items()}, dict(part._forward_pre_hooks), part.training)
        for name, part in module.named_modules()
    ]


@pytest.mark.filterwarnings("ignore")
def test_counting_changes_nothing() -> None:
    """Whatever its forward does, and whichever numbers that draws."""
    module = Restless()
    module(torch.randn(2, 3, SIZE, SIZE)).sum().backward()
    module.other.eval()
    tensors = {k: (v, v.clone()) for k, v in module.state_dict(keep_vars=True).items()}
    grads = {k: p.grad.clone() for k, p in module.named_parameters() if p.grad is not None}
    before, seen = state_of(module), torch.get_rng_state()
    found = cost(module, SIZE)
    assert found.macs == (3 * 4 + 4 * 4) * SIZE**2
    assert state_of(module) == before
    after = module.state_dict(keep_vars=True)
    assert all(after[k] is v and torch.equal(v, clone) and not v.is_meta for k, (v, clone) in tensors.items())
    assert all(torch.equal(p.grad, grads[k]) for k, p in module.named_parameters() if p.grad is not None)
    assert torch.equal(torch.get_rng_state(), seen)
    assert cost(module, SIZE) == found


def test_a_count_that_fails_changes_nothing_either() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5))
    before = state_of(module)
    with pytest.raises(ValueError, match="a batch norm of 5 channels is given 4"):
        cost(module, SIZE)
    assert state_of(module) == before and module.training


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_layers_stay_lazy() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    before, seen = state_of(lazy), torch.get_rng_state()
    known = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    torch.set_rng_state(seen)
    assert cost(lazy, SIZE) == cost(known, SIZE)
    assert state_of(lazy) == before and torch.equal(torch.get_rng_state(), seen)
    assert lazy(torch.randn(2, 3, SIZE, SIZE)).shape == (2, 2)
    assert cost(lazy, SIZE) == cost(known, SIZE)
    with pytest.raises(ValueError, match="does not take 3x2x2 images"):
        cost(nn.LazyConv2d(4, 3), 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_type(dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
    assert cost(network.to(dtype), SIZE) == cost(network.float(), SIZE)


def test_numbers_of_weights_may_be_read() -> None:
    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("times", torch.tensor(3))
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(int(self.times)):
                x = self.conv(x)
            return x

    assert cost(Told(), SIZE).macs == 3 * 9 * SIZE**2


def test_random_networks_count_as_what_runs() -> None:
    """Shapes and multiply-adds follow from what PyTorch runs, for convolutions of all sorts."""
    rng = random.Random(0)
    for _ in range(30):
        groups, k, s, d = rng.choice([1, 2]), rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 2)
        conv = nn.Conv2d(4, 6, k, s, rng.randint(0, 2), d, groups)
        network = nn.Sequential(nn.Conv2d(3, 4, 1), conv)
        out = network(torch.zeros(1, 3, 9, 9))
        assert cost(network, 9).macs == 12 * 81 + out.numel() * conv.weight[0].numel()
    with shapes_only():
        assert cost(nn.Conv2d(3, 4, 1), 9).macs == 12 * 81
