"""Exported files compute what the network computes, and nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.compress import prune
from nas.exports.files import FILES, check_new, example_images, export, weights_bytes, write_network
from nas.exports.formats import pt2_bytes, run_onnx, run_pt2, to_program
from nas.exports.job import Changes
from nas.exports.job import run as run_job
from nas.exports.target import Source, read_source
from nas.network import Designed
from searchspaces.layers import avg_pool, concat, conv, head, network, preactivated

PIXELS, SHAPE = 16, (4, 16)


@pytest.fixture
def small() -> nn.Module:
    """A convolution, two side by side, one with its norm before it; its norms have seen images."""
    torch.manual_seed(0)
    module = network(conv(8, 3, 2), concat(conv(8), avg_pool()), preactivated(conv(8, norm=None, act=None)), head(4))
    with torch.no_grad():
        module.train()(example_images(PIXELS))
    return module.eval()


def test_every_exact_format_gives_the_same_logits(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    small = Designed("resnet8").build(*SHAPE).eval()
    formats = [name for name in FILES if name not in ("pte", "tflite")]
    written = list(export(tmp_path, formats, Designed("resnet8"), small, SHAPE, {}))
    assert {file.path.name for file in written} == {name for form in formats for name in FILES[form]}
    assert all(file.bytes == file.path.stat().st_size for file in written)
    checked = {file.path.name: file.difference for file in written if file.difference is not None}
    assert checked["network.py"] == checked["weights.safetensors"] == checked["architecture.json"] == 0.0
    assert checked["network.pt2"] < 1e-5 and checked["network.onnx"] < 1e-5
    assert not any(b"searchspaces/" in file.path.read_bytes() for file in written)  # no paths of this machine
    one = example_images(PIXELS)[:1]
    with torch.no_grad():
        assert torch.allclose(run_onnx((tmp_path / "network.onnx").read_bytes())(one), small(one), atol=1e-5)


def test_weights_are_read_back(small: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"architecture\.json would be of another network than weights\.safetensors"):
        list(export(tmp_path, ["state_dict"], Designed("resnet8"), small, SHAPE, {}))
    module = Designed("resnet8").build(*SHAPE)
    other = weights_bytes(Designed("resnet8").build(*SHAPE), {})
    monkeypatch.setattr("nas.exports.files.weights_bytes", lambda module, metadata: other)
    with pytest.raises(ValueError, match=r"weights\.safetensors would not give the network's logits"):
        list(export(tmp_path, ["state_dict"], Designed("resnet8"), module, SHAPE, {}))
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_put_beside_weights_of_another_network(tmp_path: Path) -> None:
    one, other = (Designed("resnet8").build(*SHAPE) for _ in range(2))
    list(export(tmp_path, ["state_dict"], Designed("resnet8"), one, SHAPE, {}))
    with pytest.raises(ValueError, match=r"weights\.safetensors has other weights, which network\.py beside it would"):
        list(export(tmp_path, ["standalone"], Designed("resnet8"), other, SHAPE, {}))
    list(export(tmp_path, ["standalone"], Designed("resnet8"), one, SHAPE, {}))


def test_tied_weights_are_written(small: nn.Module, tmp_path: Path) -> None:
    module = nn.Sequential(small, small)  # one module at two places
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights_bytes(module, {}))
    assert len(load_file(path)) == 2 * len(small.state_dict())


def test_batches_are_of_any_size(small: nn.Module) -> None:
    program = run_pt2(pt2_bytes(to_program(small, PIXELS)))
    for batch in (1, 5):
        images = torch.randn(batch, 3, PIXELS, PIXELS)
        with torch.no_grad():
            assert torch.allclose(program(images), small(images), atol=1e-5)


class FixedBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1)[:, :4]


def test_a_network_for_one_batch_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"x\.shape\[0\], not len\(x\)"):
        to_program(FixedBatch(), PIXELS)


def test_a_file_that_computes_something_else_is_not_written(
    small: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.exports.files.logits_of", lambda *_: torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"network\.py would not give the network's logits"):
        list(export(tmp_path, ["standalone"], Designed("resnet8"), small, SHAPE, {}))
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    check_new(tmp_path / "new", ["onnx"])
    (tmp_path / "network.onnx").write_text("mine")
    with pytest.raises(ValueError, match=r"has network\.onnx already"):
        check_new(tmp_path, ["standalone", "onnx"])
    with pytest.raises(ValueError, match="not 'gguf'"):
        check_new(tmp_path, ["gguf"])


def test_weights_keep_what_they_are_of(tmp_path: Path) -> None:
    metadata = Task(("a", "b", "c"), Preprocessing(16, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3)), "folder:x").metadata()
    module = Designed("resnet8").build(3, 16)
    write_network(tmp_path, Designed("resnet8"), module, (3, 16), metadata)
    source = read_source(str(tmp_path), None, tmp_path)
    assert source.shape == (3, 16) and source.metadata == metadata and source.weights is not None
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), source.module.parameters(), strict=True))
    (tmp_path / "again").mkdir()
    list(export(tmp_path / "again", ["state_dict"], source.network, module, (3, 16), metadata))
    with safe_open(tmp_path / "again" / "weights.safetensors", "pt") as file:
        assert file.metadata() == metadata
    assert (tmp_path / "again" / "architecture.json").read_text() == (tmp_path / "architecture.json").read_text()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path, Designed("resnet8"), Designed("resnet8").build(3, 16), (3, 16), {})
    with pytest.raises(ValueError, match="resnet20"):
        read_source("resnet20", tmp_path, tmp_path, 3, 16)
    space = "nasbench_macro@0.1:id,id,id,id,id,id,id,id"
    with pytest.raises(ValueError, match="does not fit nasbench_macro"):
        read_source(space, tmp_path, tmp_path, 3, 16)


def test_pruning_takes_the_smallest_of_the_whole_network(small: nn.Module) -> None:
    def weights(module: nn.Module) -> Tensor:
        return torch.cat([p.flatten() for p in module.parameters() if p.ndim > 1])

    pruned = weights(prune(small, 0.5))
    assert (pruned == 0).double().mean().item() == pytest.approx(0.5, abs=0.01)
    kept = weights(small)[pruned != 0].abs().min()
    assert weights(small)[pruned == 0].abs().max() <= kept
    assert list(prune(small, 0.5).state_dict()) == list(small.state_dict())


@pytest.mark.parametrize(
    ("changes", "formats", "message"),
    [
        (Changes(quantize="int4"), ["pt2"], "dynamic or static"),
        (Changes(prune=1.0), ["pt2"], "below 1"),
        (Changes(quantize="dynamic"), ["onnx"], "no ONNX form"),
        (Changes(quantize="dynamic"), ["standalone"], "add onnx, pt2 or pte to --to"),
        (Changes(quantize="dynamic"), ["tflite"], "network.tflite is int8 without it"),
        (Changes(quantize="dynamic"), ["pt2", "pte"], "no pte form"),
        (Changes(fold_bn=True), ["state_dict"], "add standalone"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_done(changes: Changes, formats: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changes.check(formats)


def test_folded_weights_fit_the_file_and_no_architecture(small: nn.Module, tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), small, SHAPE, None)
    said: list[str] = []
    run_job(tmp_path, ["standalone", "state_dict"], source, Changes(fold_bn=True), None, None, said.append)
    assert {path.name for path in tmp_path.iterdir()} == {"network.py", "weights.safetensors", "README.md"}
    assert said[0].startswith("folded 2 of 3 batch norms; 1 stay")
    assert "0.0.1.weight" not in load_file(tmp_path / "weights.safetensors")


def test_equal_weights_are_equal_files(small: nn.Module, tmp_path: Path) -> None:
    """The library has the metadata in another order each time."""
    about = {"task": "classification", "class_names": '["café", "tea"]', "mean": "[0.5]", "data": "a", "std": "[1]"}
    contents = set()
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, _ = write_network(folder, Designed("resnet8"), small, SHAPE, about)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    with safe_open(path, "pt") as file:
        assert file.metadata() == about
    read = load_file(path)
    assert all(tensor.equal(read[name]) for name, tensor in small.state_dict().items())
