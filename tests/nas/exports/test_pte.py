"""A network as a .pte file: that it gives the network's logits, what it says, and which networks there are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.data import Dataset
from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.devices.command import CostCommand
from nas.exports.classifier import Classifier
from nas.exports.files import check_same, example_images, export
from nas.exports.job import Changes, run
from nas.exports.measured import files_for
from nas.exports.pte import pte_bytes, pte_int8_bytes, pte_metadata, run_pte
from nas.exports.readme import README
from nas.exports.steps import agreement, calibration_batches
from nas.exports.target import Source
from nas.network import Designed
from searchspaces import SPACES, get_space
from searchspaces.layers import conv, head, mbconv, network
from searchspaces.modules import SqueezeExcite
from tests.nas.exports.conftest import trained_of_many_kinds

TASK = Task(("a", "b", "c", "ä"), Preprocessing(16, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), "folder:trees")
WITHOUT = "the extra pte is not installed"


@pytest.fixture
def small() -> nn.Module:
    pytest.importorskip("executorch", reason=WITHOUT)
    torch.manual_seed(0)
    return network(conv(16, 3), mbconv(16, expand=3, se=0.25), conv(32, 3), head(4)).eval()


def logits(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = module(images)
    return out


def test_it_gives_the_logits_of_the_network_and_says_what_it_is_for(small: nn.Module, tmp_path: Path) -> None:
    content = pte_bytes(small, 16, 3, TASK.metadata())
    images = example_images(16)
    found = run_pte(content)(images)
    assert found.shape == (3, 4) and found.dtype == torch.float32
    assert torch.allclose(found, logits(small, images), atol=1e-5)
    assert b"XnnpackBackend" in content
    assert Task.from_metadata(pte_metadata(content)) == TASK
    (tmp_path / "network.pte").write_bytes(content)
    classifier = Classifier.load(str(tmp_path / "network.pte"))
    assert classifier.task == TASK
    assert torch.equal(classifier.logits(images), found)


@pytest.fixture(scope="module")
def trained(tiny: Dataset) -> nn.Module:
    pytest.importorskip("executorch", reason=WITHOUT)
    return trained_of_many_kinds(tiny)


def test_in_int8_it_gives_nearly_the_logits_of_the_network(trained: nn.Module, tiny: Dataset) -> None:
    batches = calibration_batches(tiny)
    float32, int8 = pte_bytes(trained, 16, 3), pte_int8_bytes(trained, 16, 3, batches, TASK.metadata())
    found, exact = run_pte(int8)(batches[0]), logits(trained, batches[0])
    assert found.shape == exact.shape and found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < exact.abs().max() / 10
    assert agreement(run_pte(int8), trained, batches[0]) > 0.95
    assert b"XnnpackBackend" in int8 and len(int8) < len(float32) / 1.5
    assert Task.from_metadata(pte_metadata(int8)) == TASK


def test_an_export_writes_it_in_int8_as_the_other_formats(trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), trained, (4, 16), None)
    done = run(tmp_path, ["pt2", "pte"], source, Changes(quantize="static"), tiny, None, lambda _: None)
    names = ["network.pte", "network.pt2", "network.int8.pt2", "network.int8.pte"]
    assert [file.path.name for file in done.files] == [*names, README]
    assert [step.name for step in done.steps] == ["float32", "int8, static", "int8, pte"]
    exact, int8 = done.files[0], done.files[3]
    assert exact.agreement is None and int8.agreement is not None and int8.agreement > 0.9
    assert int8.difference is not None and int8.difference > 0 and int8.bytes < exact.bytes
    alone = run(tmp_path / "alone", ["pte"], source, Changes(quantize="static"), tiny, None, lambda _: None)
    assert [step.name for step in alone.steps] == ["float32", "int8, pte"]


def test_channels_last_in_memory_are_the_same_images(small: nn.Module) -> None:
    images = example_images(16)
    run = run_pte(pte_bytes(small, 16, 3))
    assert torch.equal(run(images.to(memory_format=torch.channels_last)), run(images))


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2@0.25", "compact", "mnas", "nasbench201", "hard-swish"])
def test_networks_of_many_kinds_convert(name: str) -> None:
    pytest.importorskip("executorch", reason=WITHOUT)
    torch.manual_seed(0)
    if name == "hard-swish":
        module: nn.Module = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.Hardswish(), SqueezeExcite(8, 4, nn.ReLU), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(8, 4),
        )  # fmt: skip
    elif name in SPACES:
        space = get_space(name)
        module = space.build(space.sample(random.Random(0)), num_classes=10, image_size=32)
    else:
        module = Designed(name).build(10, 32)
    images = example_images(32)
    module.eval()
    check_same("pte", run_pte(pte_bytes(module, 32, 3))(images), logits(module, images))


def test_a_crop_is_no_padding_below_zero() -> None:
    pytest.importorskip("executorch", reason=WITHOUT)

    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.avg_pool2d(F.pad(F.pad(x, (-1, 1, -1, 1)), (1, 1)), 4).flatten(1)

    images = example_images(16)
    assert torch.allclose(run_pte(pte_bytes(Shifted(), 16, 3))(images), Shifted()(images), atol=1e-6)


def test_a_file_that_is_damaged_or_of_others_is_refused(small: nn.Module, tmp_path: Path) -> None:
    content = pte_bytes(small, 16, 3, TASK.metadata())
    (tmp_path / "cut.pte").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.pte").write_bytes(b"no network")
    for name in ("cut.pte", "text.pte"):
        with pytest.raises(ValueError, match="is no network that nas exported"):
            Classifier.load(str(tmp_path / name))
    (tmp_path / "other.pte").write_bytes(pte_bytes(small, 16, 3))
    with pytest.raises(ValueError, match="does not say which classes it knows"):
        Classifier.load(str(tmp_path / "other.pte"))


def test_a_network_that_cannot_be_converted_is_refused_in_a_line() -> None:
    pytest.importorskip("executorch", reason=WITHOUT)

    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x.mean(1))[:, :4]

    with pytest.raises(ValueError, match="ExecuTorch cannot convert this network to pte: ") as caught:
        pte_bytes(Spectrum(), 16, 3)
    assert "\n" not in str(caught.value)


def test_an_export_writes_it_and_its_readme_says_how_it_is_used(small: nn.Module, tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), small, (4, 16), None)
    done = run(tmp_path, ["pte"], source, Changes(), None, None, lambda _: None)
    assert [file.path.name for file in done.files] == ["network.pte", README]
    assert done.files[0].difference is not None and done.files[0].difference < 1e-4
    assert "one image [1, 3, 16, 16], normalised, in float32" in (tmp_path / README).read_text()


def test_a_file_with_other_logits_is_not_written(
    small: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.exports.files.run_pte", lambda content: lambda images: logits(small, images) + 1)
    with pytest.raises(ValueError, match=r"network\.pte would not give the network's logits"):
        list(export(tmp_path, ["pte"], Designed("resnet8"), small, (4, 16), {}))
    assert not list(tmp_path.iterdir())


def test_a_cost_command_takes_it(tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason=WITHOUT)
    command = CostCommand.parse("flash=wc -c < {pte}")
    files = files_for(command, Designed("resnet8"), 5, 16, 1, tmp_path)
    assert command.measure(files) == {"flash": (tmp_path / "network.pte").stat().st_size}


def test_without_executorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.exports.pte.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"the extra `pte`: pip install executorch"):
        Changes().check(["pte"])
    with pytest.raises(ValueError, match="the extra `pte`"):
        pte_int8_bytes(nn.Flatten(), 16, 3, [])
    with pytest.raises(ValueError, match="the extra `pte`"):
        pte_bytes(nn.Flatten(), 16, 3)
    with pytest.raises(ValueError, match="the extra `pte`"):
        run_pte(b"")
