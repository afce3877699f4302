"""Published checkpoints load by their tensors' names, and what does not fit is said."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nas.baselines import build, find, load_pretrained
from nas.baselines.pretrained import LIBRARIES, published_state_dict
from nas.baselines.pretrained.naming import our_tensors
from searchspaces.cost import shapes_only

# Of networks that a library carries, the digest of that library's own names and shapes (golden/make_sources.py)
SOURCES = json.loads((Path(__file__).parents[2] / "golden" / "sources.json").read_text())
DIGESTS = {(row["library"], row["name"]): row["tensors"] for row in SOURCES if "tensors" in row}
CARRIED = [(library, name) for library, namings in LIBRARIES.items() for name in namings]


def shapes(name: str) -> nn.Module:
    with shapes_only():
        return build(name, 1000, find(name).image_size)


def digest(state: dict[str, Tensor]) -> str:
    lines = sorted(f"{key} {tuple(t.shape)}" for key, t in state.items() if not key.endswith("num_batches_tracked"))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("library", "name"), CARRIED)
def test_names_are_the_librarys(library: str, name: str) -> None:
    """Every tensor, by name and shape; which is which of the same shape, the names say."""
    assert digest(published_state_dict(shapes(name), name, library)) == DIGESTS[library, name]


@pytest.mark.parametrize(("library", "name"), [("torchvision", "resnet18")])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_loads(tmp_path: Path, library: str, name: str, suffix: str) -> None:
    torch.manual_seed(0)
    module = build(name, 10, 96)
    published, path = published_state_dict(module, name, library), tmp_path / f"weights{suffix}"
    write = torch.save if suffix == ".pth" else save_file
    write({key: tensor.clone() for key, tensor in published.items()}, path)
    loaded = load_pretrained(name, path, num_classes=10, image_size=96)
    x = torch.randn(1, 3, 96, 96)
    assert torch.equal(loaded.eval()(x), module.eval()(x))


def test_auxiliary_heads_of_a_checkpoint_are_left_out(tmp_path: Path) -> None:
    """The official files of GoogLeNet and Inception-v3 have them; with +aux they load."""
    with_heads = build("googlenet+torchvision+aux", 10, 96)
    published = published_state_dict(with_heads, "googlenet+torchvision+aux", "torchvision")
    assert any(key.startswith("aux1.") for key in published)
    torch.save(published, tmp_path / "weights.pth")
    without = load_pretrained("googlenet+torchvision", tmp_path / "weights.pth", 10, 96)
    x = torch.randn(1, 3, 96, 96)
    assert torch.equal(without.eval()(x), with_heads.eval()(x))
    load_pretrained("googlenet+torchvision+aux", tmp_path / "weights.pth", 10, 96)
    with pytest.raises(ValueError, match=r"no checkpoint of nas's googlenet: .* are of googlenet\+torchvision"):
        load_pretrained("googlenet", tmp_path / "weights.pth", 10, 96)


def test_names_of_old_files_load(tmp_path: Path) -> None:
    """torchvision's DenseNet files are older than PyTorch 1.0, and call norm1 `norm.1`."""
    module = build("densenet121", 10, 96)
    published = published_state_dict(module, "densenet121", "torchvision")
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): t for key, t in published.items()}
    assert old.keys() != published.keys()
    torch.save(old, tmp_path / "weights.pth")
    loaded = load_pretrained("densenet121", tmp_path / "weights.pth", 10, 96)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), module.parameters(), strict=True))


def test_batch_norms_get_the_eps_that_the_weights_were_trained_with(tmp_path: Path) -> None:
    module = build("efficientnet_b0", 10, 96)
    torch.save(published_state_dict(module, "efficientnet_b0", "torchvision"), tmp_path / "weights.pth")
    loaded = load_pretrained("efficientnet_b0", tmp_path / "weights.pth", 10, 96)
    eps = [{m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} for network in (module, loaded)]
    assert eps == [{1e-3}, {1e-5}]


def test_ours_load_too(tmp_path: Path) -> None:
    module = build("resnet8", 10, 32)
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    loaded = load_pretrained("resnet8", tmp_path / "weights.safetensors", 10)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), module.parameters(), strict=True))


def test_a_difference_is_named(tmp_path: Path) -> None:
    published = published_state_dict(build("resnet18", 10, 96), "resnet18", "torchvision")
    path = tmp_path / "weights.pth"

    def complaint(state: dict[str, Tensor], name: str = "resnet18") -> str:
        torch.save(state, path)
        with pytest.raises(ValueError) as error:
            load_pretrained(name, path, 10)
        return str(error.value).removeprefix(f"{path} is no checkpoint of torchvision's {name}: ")

    less = {key: tensor for key, tensor in published.items() if key != "layer2.0.bn1.weight"}
    assert complaint(less) == "it has no tensor 'layer2.0.bn1.weight'"
    assert complaint(published | {"surplus": torch.ones(1)}) == "it has a tensor 'surplus', which the network has not"
    assert complaint(published | {"fc.weight": torch.ones(7, 512)}) == "'fc.weight' is 7x512 there and 10x512 here"
    assert complaint(published, "resnet34") == "it has no tensor 'layer1.2.conv1.weight'"


def test_only_files_of_tensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(ValueError, match=r"cannot read .*weights.pth"):
        load_pretrained("resnet18", path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"weights.pth is no checkpoint of tensors alone"):
        load_pretrained("resnet18", path)
    torch.save({"model": build("resnet8", 10, 32)}, path)  # a pickled network: code, which is not run
    with pytest.raises(ValueError, match=r"weights.pth is no checkpoint of tensors alone"):
        load_pretrained("resnet18", path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match=r"weights.pth is no state dict"):
        load_pretrained("resnet18", path)


def test_the_rules_are_one_to_one() -> None:
    for library, name in CARRIED:
        module = shapes(name)
        assert len(published_state_dict(module, name, library)) == len(our_tensors(module)), (library, name)


def test_a_library_that_has_it_not_is_said() -> None:
    with pytest.raises(ValueError, match="torchvision has no resnet20 whose names we know; no library has"):
        published_state_dict(build("resnet20", 10, 32), "resnet20", "torchvision")
