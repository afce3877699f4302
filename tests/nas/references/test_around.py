"""Spaces around networks by their names, and runs of them."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nas
from nas.comparison import candidates
from nas.final import ranking
from nas.ledger import finals
from nas.ledger.trust import space_of_file, space_of_person
from nas.network import Designed, Found, original_of
from nas.references.around import Around
from nas.references.resolve import described, resolve
from searchspaces.around.space import AroundSpace

OWN = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, in_channels=3):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.blocks = nn.ModuleList([self.block() for _ in range(2)])
        self.fc = nn.Linear(8, num_classes)

    def block(self):
        return nn.Sequential(nn.Conv2d(8, 16, 1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.fc(x.mean((2, 3)))


class Wild(Net):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else self.fc(self.stem(x).mean((2, 3)))


def number(num_classes):
    return num_classes
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "around_own.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "around_own", raising=False)
    return "around_own"


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2@0.25", "compact@max_macs=1M:"])
def test_a_space_is_around_whatever_has_a_name(name: str) -> None:
    if name.endswith(":"):
        space = space_of_person("compact", max_macs=1_000_000)
        name = Found(space, space.sample(random.Random(0))).text
    around = space_of_person(f"around:{name}")
    assert isinstance(around, Around) and around.network == described(name).text
    assert str(around.build(around.as_is)) == str(described(name).build(10, 32))


def test_its_text_stands_alone() -> None:
    around = Around(network="mobilenet_v2@0.25", max_macs=5_000_000, vary=("width", "depth"))
    for arch in (around.as_is, around.sample(random.Random(0))):
        again = described(Found(around, arch).text)
        assert isinstance(again, Found) and again.space == around and again.arch == arch


def test_a_run_begins_with_the_original_and_a_comparison_too(tmp_path: Path) -> None:
    run = nas.search(
        space="around:resnet8@0.25", vary="width,depth", max_macs="3M", data="shapes", trials=2, epochs=1, subset=100,
        batch_size=50, runs_dir=tmp_path, name="r", strategy="random", progress="none",
    )  # fmt: skip
    assert run.trials[0].architecture == "as-is"
    original = resolve("r:0", tmp_path)
    assert original_of(original) == Designed("resnet8@0.25")
    chosen, matched = candidates.named(["r:1"], None, None, tmp_path, print)
    assert [(c.name, c.as_it_is, c.found) for c in chosen] == [
        ("resnet8@0.25", True, False), ("r:1", False, True), ("resnet8@0.25", False, False),
    ]  # fmt: skip
    assert matched
    sized = candidates.matched(chosen, 10, 32, print)
    assert sized[0].name == "resnet8@0.25" and len(sized) == 3


def test_what_would_halve_a_map_does_so_once() -> None:
    """The first convolution of this block has one filter a channel, and the second one reads the same channels."""
    around = Around(network="mobilenet_v2@0.5", vary=("stride",))
    arch = around.from_options(around.options(around.as_is) | {"bottleneck1.stride": 2})
    strides = [m.stride[0] for m in around.build(arch).get_submodule("bottleneck1").modules() if hasattr(m, "stride")]
    assert sorted(strides) == [1, 2]


def test_trials_start_from_its_weights(tmp_path: Path, call_nas: Callable[..., tuple[int, str, str]]) -> None:
    few: dict[str, Any] = {"data": "shapes", "epochs": 1, "subset": 100, "batch_size": 50, "progress": "none"}
    weights = tmp_path / "r8"
    nas.train("resnet8@0.25", out=weights, **few)
    around = {"space": "around:resnet8@0.25", "init": weights, "strategy": "random"}
    run = nas.search(**around, trials=2, runs_dir=tmp_path, name="r", **few)
    assert run.config.init == str((weights / "weights.safetensors").resolve())
    assert all(row.accuracy is not None for row in run.trials)
    asked = ("search", "--init", str(weights), "--data", "shapes", "--trials", "1", "--runs-dir", str(tmp_path))
    for space, said in (("around:resnet20", "does not fit resnet20"), ("mnas", "--init is for a space around:NETWORK")):
        code, _, error = call_nas(*asked, "--space", space)
        assert code == 2 and said in error


def test_a_study_tells_whether_inheriting_ranks(tmp_path: Path, call_nas: Callable[..., tuple[int, str, str]]) -> None:
    weights = tmp_path / "r8"
    nas.train("resnet8@0.25", data="shapes", epochs=1, subset=100, batch_size=50, out=weights, progress="none")
    study = (
        "proxy-study", "--space", "around:resnet8@0.25", "--vary", "width,kernel", "--networks", "3", "--seeds", "1",
        "--data", "shapes", "--batch-size", "16", "--full", "64", "--cuts", "32", "--runs-dir", str(tmp_path),
    )  # fmt: skip
    code, said, _ = call_nas(*study, "--short", "32,32+init", "--init", str(weights), "--name", "study")
    assert code == 0 and "where +init is said, each network starts from what it has of" in said
    assert "short 32+init" in said
    config = nas.Run.open(tmp_path / "study").config
    full, anew, inherited = (config.job((0, training, 0)) for training in range(3))
    assert full.start is anew.start is None and inherited.start == config.start
    assert inherited.recipe == anew.recipe and inherited.network.text == anew.network.text
    for more, error in (
        (("--init", str(weights), "--short", "32"), "no training is to start from --init"),
        (("--short", "32+init"), "add --init WEIGHTS"),
        (("--full", "64+init"), "add --init WEIGHTS"),
    ):
        code, _, told = call_nas(*study, *more)
        assert code == 2 and error in told


def test_one_s_own_module_is_a_space_and_known_in_another_process(own: str) -> None:
    around = space_of_person(f"around:{own}:Net", max_macs=2_000_000)
    arch = around.sample(random.Random(0))
    assert around.build(arch, 7)(torch.randn(2, 3, 16, 16)).shape == (2, 7)
    code = f"import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])).format({arch!r}))"
    command = [sys.executable, "-c", code, pickle.dumps(around).hex()]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.strip() == around.format(arch)


def test_a_file_s_code_is_not_imported(own: str) -> None:
    with pytest.raises(ValueError, match=f"--trust-space {own}:Net"):
        space_of_file("around", network=f"{own}:Net")
    assert own not in sys.modules


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("around", "needs a network"),
        ("around:", "needs a network"),
        ("around:nosuch", "is no network"),
        ("around:no_such_module:build", "cannot import no_such_module"),
        ("around:around_own:nothing", "has no 'nothing'"),
        ("around:around_own:number", "gives a int, and no nn.Module"),
        ("around:around_own:Wild", "cannot be followed without an image's numbers"),
    ],
)
def test_what_is_no_network_is_said_in_a_line(
    space: str, said: str, own: str, call_nas: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, error = call_nas("search", "--space", space, "--data", "shapes", "--trials", "1")
    assert code == 2 and said in error.strip().splitlines()[-1] and "Traceback" not in error


def test_vary_is_for_such_a_space(call_nas: Callable[..., tuple[int, str, str]]) -> None:
    code, _, error = call_nas("search", "--space", "mnas", "--vary", "width", "--data", "shapes", "--trials", "1")
    assert code == 2 and "--vary is for a space around:NETWORK" in error


def test_show_lists_the_choices(call_nas: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = call_nas("show", "--space", "around:resnet8")
    assert code == 0 and "conv2_x.width" in out and "as it is" in out
    code, out, _ = call_nas("show", "--space", "around:resnet8", "--vary", "stride,depth", "--space-set", "by=layer")
    assert code == 0 and "conv4_x.stride" in out and "times smaller than the map before" in out
    code, _, told = call_nas("show", "resnet8", "--vary", "depth")
    assert code == 2 and "name it by --space" in told
    assert call_nas("show", "--space", "mnas", "--vary", "depth")[0] == 2
    assert call_nas("show")[0] == call_nas("show", "resnet8", "--space", "mnas")[0] == 2


@pytest.mark.parametrize(
    "network",
    ["vgg11_bn", "resnet20", "preact_resnet18", "wrn16-2", "resnext29_2x16d", "se_resnet18", "densenet_bc_40_12",
     "squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "mnasnet_a1", "efficientnet_b0", "shufflenet_v1_x0_5",
     "shufflenet_v2_x0_5", "xception", "googlenet"],
)  # fmt: skip
def test_families_of_the_zoo_vary_in_all_that_they_have(network: str) -> None:
    around: AroundSpace = Around(network=network)
    assert not around.left_out and not around.held
    assert {"width"} < {choice.kind for choice in around.choices}
    made: nn.Module = around.build(around.sample(random.Random(1)))
    assert made(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_the_original_is_ranked_anew_wherever_the_search_ranked_it(tmp_path: Path) -> None:
    weights, images = tmp_path / "r8", tmp_path / "images.npz"
    rng = np.random.default_rng(0)
    np.savez(images, images=rng.integers(0, 256, (80, 16, 16, 3), dtype=np.uint8), labels=np.arange(80) % 4)
    few: dict[str, Any] = {"data": f"array:{images}", "batch_size": 30, "progress": "none"}
    nas.train("resnet8@0.25", out=weights, epochs=1, **few)
    run = nas.search(
        space="around:resnet8@0.25", init=weights, strategy="random", trials=3, budget="20m", final="plain",
        runs_dir=tmp_path, name="r", epochs=1, **few,
    )  # fmt: skip
    originals = [row for row in run.rows() if row.arch == run.config.space.as_is]
    for most in (1, 2, 3):
        assert originals[0].number in [row.number for row in ranking.contenders(run, most)]
        assert len(ranking.contenders(run, most)) == most
    again = finals.find(run)
    assert again is not None and again.config.job((0,)).start == run.config.start
    assert run.final is not None
    training = json.loads((run.path / finals.FOLDER / "training.json").read_text())
    assert training["job"]["start"]["weights"] == str(weights / "weights.safetensors")
