"""Channels that must be as many as others, in modules that a person writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from searchspaces.around.channels import OUTPUT, follow
from searchspaces.around.stages import Original


class Residual(nn.Module):
    """Blocks that add to one map, one of them behind a branch on a shape."""

    def __init__(self, c: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, c, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 1), nn.ReLU(), nn.Conv2d(2 * c, c, 1)) for _ in range(2)
        )
        self.fc = nn.Linear(c, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            if x.shape[-1] > 4:  # no symbolic tracer gets past this
                x = x + block(x)
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Concatenating(nn.Module):
    """Two branches side by side, split in halves, and put together the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 6, 1), nn.Conv2d(3, 10, 3, padding=1)
        self.last = nn.Conv2d(16, 16, 1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.left(x), self.right(x)], dim=1)
        both = both + self.last(both)
        one, other = both.chunk(2, dim=1)
        out: Tensor = self.fc(torch.cat([other, one], dim=1).flatten(2).mean(-1))
        return out


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.mean() > 0:
            x = -x
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def groups(module: nn.Module) -> list[tuple[str, ...]]:
    return Original(module, 3, 16).widths.groups


def test_what_is_added_is_one_group_and_what_stays_in_a_block_is_its_own() -> None:
    assert groups(Residual()) == [
        ("stem", "blocks.0.2", "blocks.1.2"),
        ("blocks.0.0",),
        ("blocks.1.0",),
        ("fc",),
    ]


def test_only_the_output_is_fixed() -> None:
    assert Original(Residual(), 3, 16).widths.fixed == {"fc": OUTPUT}


def test_what_is_added_to_a_concatenation_is_made_of_its_parts() -> None:
    original = Original(Concatenating(), 3, 16)
    assert ("left", "right", "last") in original.widths.groups
    assert [number for number, _ in original.widths.segments["last"]] == [6, 10]


def test_a_gate_scales_channels_that_are_its_own() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate, self.fc = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x = x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
            out: Tensor = self.fc(x.mean((2, 3)))
            return out

    assert groups(Gated())[0] == ("conv", "gate")


@pytest.mark.parametrize("kind", ["chunk", "shuffle", "permute"])
def test_what_moves_channels_moves_what_is_known_of_them(kind: str) -> None:
    class Moving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.cat([self.one(x), self.two(x)], dim=1)
            if kind == "chunk":
                first, second = x.chunk(2, dim=1)
            elif kind == "shuffle":
                shuffled = torch.channel_shuffle(x, 2)
                first, second = shuffled[:, ::2], shuffled[:, 1::2]
            else:
                first, second = x.permute(0, 2, 3, 1).split([4, 4], dim=-1)
                first, second = (half.permute(0, 3, 1, 2) for half in (first, second))
            out: Tensor = self.fc((first + second).mean((2, 3)))
            return out

    assert groups(Moving())[0] == ("one", "two")


def test_a_branch_on_numbers_is_refused_by_its_line() -> None:
    with pytest.raises(ValueError, match=r"Branching cannot be followed .*test_channels.py, line \d+"):
        follow(Branching(), 3, 16)


def test_weights_of_its_own_for_each_channel_change_with_them() -> None:
    class Scaling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gamma, self.fc = nn.Conv2d(3, 8, 1), nn.Parameter(torch.ones(8)), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.fc((self.conv(x) * self.gamma.reshape(1, -1, 1, 1)).mean((2, 3)))
            return out

    assert follow(Scaling(), 3, 16).vectors == {("", "gamma"): "conv"}


def test_what_mixes_channels_holds_them() -> None:
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 1), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Any:
            x = self.conv(x).flatten(2)
            return self.fc((x @ x.transpose(1, 2)).mean(-1))

    assert "mixes them" in Original(Mixing(), 3, 16).widths.fixed["conv"]


def test_a_module_is_left_as_it_was() -> None:
    module = Residual().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    follow(module, 3, 16)
    assert module.training and all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
