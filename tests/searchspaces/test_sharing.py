"""What networks share: each has all of its weights from the supernet, in the right places, and computes with them."""

from __future__ import annotations

import random

import pytest
import torch

from searchspaces import Compact, Mnas, NASBench201, NASBenchMacro
from searchspaces.images import for_images_of
from searchspaces.scaled import RowSpace
from searchspaces.sharing import ELASTIC, SINGLE_PATH, WAYS, Sharing, part, piece
from searchspaces.supernet import Supernet

SPACES = {
    "mnas": Mnas(width=0.25, image_size=16),
    "compact": Compact(width=0.25, image_size=16),
    "nasbench201": NASBench201(width=0.25, cells=1, image_size=16),
    "nasbench_macro": NASBenchMacro(width=0.125, image_size=16),
}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=SPACES)
def sharing(request: pytest.FixtureRequest, way: str) -> Sharing:
    return Sharing(SPACES[request.param], way, 4, 16, 3)


@pytest.fixture(scope="module")
def supernet(sharing: Sharing) -> Supernet:
    return Supernet(sharing, seed=3)


def archs(space: RowSpace, number: int, seed: int = 7) -> list[tuple[int, ...]]:
    rng = random.Random(seed)
    return [space.sample(rng) for _ in range(number)]


def test_every_weight_of_a_network_has_a_key_of_its_own(sharing: Sharing) -> None:
    for arch in archs(sharing.space, 8):
        network, layers = sharing.network(arch)
        found = {f"{leaf.name}.{name}": f"{leaf.key}.{name}" for leaf in layers for name, _ in named(leaf.module)}
        assert set(found) == {name for name, _ in network.named_parameters()}
        assert len(set(found.values())) == len(found)


def named(layer: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return list(layer.named_parameters(recurse=False))


def test_equal_networks_have_equal_keys(sharing: Sharing) -> None:
    """However they are told: a stage that is left out may be any."""
    for arch in archs(sharing.space, 5):
        assert sharing.keys(arch) == sharing.keys(sharing.space.canonical(arch))


def test_a_network_computes_with_its_part_what_the_supernet_does(sharing: Sharing, supernet: Supernet) -> None:
    x = torch.randn(8, 3, 16, 16)
    for arch in archs(sharing.space, 3, seed=11):
        canonical = sharing.space.canonical(arch)
        with for_images_of(3):
            network = sharing.space.build(canonical, 4, 16)
        network.load_state_dict(part(supernet.tensors, sharing.network(canonical)[1]), strict=False)
        with torch.no_grad():
            torch.testing.assert_close(network.train()(x), supernet.member(arch)(x), rtol=1e-4, atol=1e-4)


def test_the_shared_weights_are_large_enough_for_others_than_were_scanned(sharing: Sharing, supernet: Supernet) -> None:
    tensors = supernet.tensors
    for arch in archs(sharing.space, 60, seed=99):
        part(tensors, sharing.network(arch)[1])


def test_gradients_reach_the_part_that_was_used_and_no_other() -> None:
    space = Mnas(width=0.25, image_size=16)
    sharing = Sharing(space, ELASTIC, 4, 16, 3)
    supernet = Supernet(sharing)
    arch = archs(space, 1)[0]
    supernet.member(arch)(torch.randn(4, 3, 16, 16)).sum().backward()
    keys = {f"{leaf.key}.{name}" for leaf in sharing.network(arch)[1] for name, _ in named(leaf.module)}
    assert {key for key, tensor in supernet.tensors.items() if tensor.grad is not None} == keys


def keys_of(space: RowSpace, way: str, changes: dict[str, object], place: str) -> set[str]:
    """Those of the weights at `place`, of an architecture of first options with these `changes`."""
    options = {choice.name: choice.options[0] for choice in space.choices} | changes
    keys = Sharing(space, way, 4, 16, 3).keys(space.from_options(options))
    return {key for key in keys if key.startswith(f"{place}|")}


def test_elastic_layers_share_across_sizes_gates_and_skips_and_not_across_kinds() -> None:
    def keys(**options: object) -> set[str]:
        return keys_of(Mnas(), ELASTIC, {f"block2.{name}": value for name, value in options.items()}, "2.0")

    plain = keys(op="mb3", kernel=3, skip="none")
    assert plain == keys(op="mb6", kernel=5, skip="none", filters=1.25) == keys(op="mb3", kernel=3, skip="pool")
    assert plain < keys(op="mb3", kernel=3, skip="none", se=0.25)
    assert not plain & keys(op="conv", kernel=3) and not plain & keys(op="sep", kernel=3)


def test_on_a_single_path_each_operation_has_its_own() -> None:
    def keys(**options: object) -> set[str]:
        return keys_of(Mnas(), SINGLE_PATH, {f"block2.{name}": value for name, value in options.items()}, "2.0")

    assert not keys(op="mb3", kernel=3) & keys(op="mb6", kernel=3)
    assert not keys(op="mb3", kernel=3) & keys(op="mb3", kernel=5)
    assert keys(op="mb3", kernel=3, filters=0.75) == keys(op="mb3", kernel=3, filters=1.25)


def test_a_block_that_is_left_out_takes_no_place() -> None:
    space = NASBenchMacro()
    sharing = Sharing(space, ELASTIC, 10, 32, 3)
    first, second = (
        space.parse("mb3k3,mb3k3,mb3k3,id,mb6k5,id,id,id"),
        space.parse("mb3k3,mb3k3,mb3k3,mb6k5,id,id,id,id"),
    )
    assert sharing.keys(first) == sharing.keys(second)


def test_an_edge_of_a_cell_has_its_place_whatever_the_others_do() -> None:
    space = NASBench201(cells=1)
    sharing = Sharing(space, SINGLE_PATH, 10, 32, 3)
    one = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    other = space.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|")
    assert sharing.keys(one) < sharing.keys(other)


def test_a_piece_is_the_first_channels_and_the_middle_of_the_kernel() -> None:
    whole = torch.arange(4 * 3 * 5 * 5.0).reshape(4, 3, 5, 5)
    assert torch.equal(piece(whole, torch.empty(2, 3, 3, 3)), whole[:2, :, 1:4, 1:4])
    assert torch.equal(piece(whole[:, 0, 0, 0], torch.empty(3)), whole[:3, 0, 0, 0])
    with pytest.raises(ValueError, match="of other networks"):
        piece(whole, torch.empty(5, 3, 5, 5))


def test_a_network_of_a_place_that_was_not_scanned_has_no_weights() -> None:
    sharing = Sharing(NASBenchMacro(width=0.125), ELASTIC, 4, 16, 3)
    with pytest.raises(ValueError, match="they have none"):
        part({}, sharing.network((0,) * 8)[1])


def test_networks_of_their_own_widths_share_nothing() -> None:
    with pytest.raises(ValueError, match="max_macs allows share no weights: give the supernet a width"):
        Sharing(Compact(max_macs=1_000_000), ELASTIC, 10, 32, 3)
