"""One file of each kind that the tool reads, made by the tool itself, and the commands that read it."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from nas import api
from nas.training import checkpoints
from searchspaces import NASBenchMacro
from tests.attack.mutate import Mutator, of_bytes, of_csv, of_json, of_json_lines, of_safetensors
from tests.attack.tiny import Tiny

Nas = Callable[..., None]
Command = tuple[str, ...]
DATA = ("--data", "folder:pictures", "--image-size", "16")
SHORT = ("--batch-size", "8", "--epochs", "1")
TINY = "tests.attack.tiny:Tiny"
ONE, TRAINED, UNFINISHED = "runs/one", "trained", "unfinished"


@dataclass(frozen=True)
class Specimen:
    """A file in the folder that `make` fills, what it is called in the table, and what is done with it.

    `writes`: commands that may change the run's or the training's folder, since they go on with it.
    """

    name: str
    path: str
    reads: tuple[Command, ...]
    writes: tuple[Command, ...] = ()
    mutators: tuple[Mutator, ...] = (of_bytes, of_json, of_json, of_json)


TOP, TOP_JSON = ("top", "one"), ("top", "one", "--json")
OF_RUN = (TOP_JSON, TOP, ("runs", "--json"), ("report", "one", "--json"), ("report", "one"), ("show", "one:best"))
GOES_ON = (("resume", "one", "--json"), ("resume", "one", "--trials", "7", "--json"))
PREDICT = ("predict", TRAINED, "pictures/cat/0.png", "--json")
OF_TRAINED = (("show", TRAINED, "--json"), ("show", TRAINED, "--format", "json"), PREDICT)
EXPORT = ("export", TRAINED, "--to", "state_dict", "--out", "exported", "--json")
INIT = ("train", "one:best", *SHORT, "--init", TRAINED, "--out", "again", "--json")
COMPARE, GRID, STUDY = (
    (("compare", "--report", "cmp", "--json"), ("compare", "--report", "cmp")),
    (("scale", "--report", "grid", "--json"), ("scale", "--report", "grid")),
    (("proxy-study", "--report", "study", "--json"), ("proxy-study", "--report", "study")),
)
JOURNAL = (of_bytes, of_json_lines, of_json_lines, of_json_lines)
CACHED = "cache/nas/decoded/*/*/unreadable.json"
BENCH = ("--strategy", "random", "--seeds", "1", "--evaluations", "2", "--jobs", "1", "--json")

COMPARISON = ("compare", "one:best", "resnet8@0.1", *DATA, *SHORT, "--seeds", "2", "--name", "cmp")
SCALING = ("scale", "--search", "--base", "resnet8@0.1", *DATA, "--triples", "1", "--seeds", "1", *SHORT,
           "--subset", "all", "--name", "grid")  # fmt: skip
PROXIES = ("proxy-study", "--space", "compact", "--networks", "3", "--full", "24", "--cuts", "8", "--short", "8",
           "--seeds", "1", *DATA, "--batch-size", "8", "--name", "study")  # fmt: skip

SPECIMENS = (
    Specimen("a run's config.json", f"{ONE}/config.json", OF_RUN, GOES_ON),
    Specimen("a run's journal.log", f"{ONE}/journal.log", OF_RUN, GOES_ON, JOURNAL),
    Specimen("a comparison's config.json", "runs/cmp/config.json", (*COMPARE, ("runs", "--json"))),
    Specimen("a comparison's journal.log", "runs/cmp/journal.log", COMPARE, (("resume", "cmp", "--json"),), JOURNAL),
    Specimen("a grid's config.json", "runs/grid/config.json", GRID),
    Specimen("a grid's journal.log", "runs/grid/journal.log", GRID, (("resume", "grid", "--json"),), JOURNAL),
    Specimen("a study's config.json", "runs/study/config.json", STUDY),
    Specimen("a study's journal.log", "runs/study/journal.log", STUDY, (("resume", "study", "--json"),), JOURNAL),
    Specimen("a network's architecture.json", f"{TRAINED}/architecture.json", (*OF_TRAINED, EXPORT)),
    Specimen("a baseline's .json", "designed.json", (("show", "designed.json", "--json"),)),
    Specimen("a scaled network's .json", "scaled.json", (("show", "scaled.json", "--json"),)),
    Specimen(
        "weights.safetensors", f"{TRAINED}/weights.safetensors", (PREDICT, EXPORT, INIT),
        mutators=(of_bytes, of_safetensors, of_safetensors, of_safetensors),
    ),
    Specimen(
        "a training's result.json", f"{TRAINED}/result.json",
        (("runs", "--runs-dir", ".", "--json"), PREDICT), (("resume", TRAINED, "--json"),),
    ),
    Specimen("a training's training.json", f"{UNFINISHED}/training.json", (), (("resume", UNFINISHED, "--json"),)),
    Specimen(
        "a training's checkpoint.pt", f"{UNFINISHED}/checkpoint.pt", (), (("resume", UNFINISHED, "--json"),),
        mutators=(of_bytes,),
    ),
    Specimen("a table, .csv", "table.csv", (("bench", "--space", TINY, "--table", "table.csv", *BENCH),),
             mutators=(of_bytes, of_csv, of_csv)),
    Specimen("NAS-Bench-Macro's .json", "macro.json",
             (("bench", "--space", "nasbench_macro", "--table", "macro.json", *BENCH),)),
    Specimen("an exported .onnx", "ex/network.onnx", (("predict", "ex/network.onnx", "pictures/cat/0.png", "--json"),),
             mutators=(of_bytes,)),
    Specimen("an exported .pt2", "ex/network.pt2", (("predict", "ex/network.pt2", "pictures/cat/0.png", "--json"),),
             mutators=(of_bytes,)),
    Specimen("an image", "pictures/cat/0.png", (("predict", TRAINED, "pictures/cat/0.png", "--json"),),
             mutators=(of_bytes,)),
    Specimen("a batch of CIFAR-10, pickled", "py/data_batch_1", (), (("train", "resnet8@0.1", "--data", "cifar10",
             "--data-dir", "py", *SHORT, "--out", "again", "--json"),), mutators=(of_bytes,)),
    Specimen("a batch of CIFAR-10, binary", "bin/data_batch_1.bin", (), (("train", "resnet8@0.1", "--data", "cifar10",
             "--data-dir", "bin", *SHORT, "--out", "again", "--json"),), mutators=(of_bytes,)),
    Specimen("what images were unreadable, in the cache", CACHED, (),
             (("train", "one:best", *SHORT, "--out", "again"),))
)  # fmt: skip


def make(folder: Path, nas: Nas, specimens: Sequence[Specimen]) -> None:
    """Fill the empty `folder`, the current one, with what `specimens` need, by `nas(*words)`, which may not fail."""
    pictures(folder / "pictures")
    nas("search", *DATA, "--space", "compact", "--max-macs", "300k", *SHORT, "--trials", "6", "--name", "one")
    nas("train", "one:best", *SHORT, "--out", TRAINED)
    parts = {
        "unfinished": lambda: _begin(folder),
        "runs/cmp": lambda: nas(*COMPARISON),
        "runs/grid": lambda: nas(*SCALING),
        "runs/study": lambda: nas(*PROXIES),
        "ex": lambda: nas("export", TRAINED, "--to", "onnx,pt2", "--out", "ex"),
        "designed.json": lambda: _write_networks(folder),
        "scaled.json": lambda: _write_networks(folder),
        "table.csv": lambda: _write_table(folder),
        "macro.json": lambda: _write_macro(folder),
        "py": lambda: _write_cifar(folder),
        "bin": lambda: _write_cifar(folder),
    }
    for part, made in parts.items():
        if any(specimen.path.startswith(part) for specimen in specimens) and not (folder / part).exists():
            made()


def pictures(folder: Path) -> None:
    """Two classes of twenty images each."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")


def _begin(folder: Path) -> None:
    """A training that was stopped after its first epoch."""
    save = checkpoints.save

    def saved(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with mock.patch("nas.training.checkpoints.save", saved), contextlib.suppress(KeyboardInterrupt):
        api.train("one:best", epochs=2, batch_size=8, out=folder / UNFINISHED)


def _write_networks(folder: Path) -> None:
    (folder / "designed.json").write_text(json.dumps({"baseline": "resnet8@0.1"}))
    document = json.loads((folder / TRAINED / "architecture.json").read_text())
    document["scaled"] = {"width": 1.1, "depth": 1.2, "image_size": 24}
    (folder / "scaled.json").write_text(json.dumps(document, indent=2))


def _write_table(folder: Path) -> None:
    space = Tiny()
    rows = [
        f'"{space.format(arch)}",{50 + 5 * sum(arch)},{60 + 4 * sum(arch)},1000,20000,1.5'
        for arch in product(range(3), repeat=2)
    ]
    (folder / "table.csv").write_text("\n".join(["architecture,observed,reported,params,macs,seconds", *rows]) + "\n")


def _write_macro(folder: Path) -> None:
    macro = NASBenchMacro()
    results = {
        "".join(digits): {"test_acc": [90.0, 91.0, 92.0], "mean_acc": 91.0, "params": 1000, "flops": 2000}
        for digits in product("012", repeat=len(macro.choices))
    }
    (folder / "macro.json").write_text(json.dumps(results))


def _write_cifar(folder: Path) -> None:
    rng = np.random.default_rng(0)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for layout in ("py", "bin"):
        (folder / layout).mkdir()
    for name in names:
        pixels, labels = rng.integers(0, 256, (20, 3072), dtype=np.uint8), list(range(10)) * 2
        with (folder / "py" / name).open("wb") as file:
            pickle.dump({b"data": pixels, b"labels": labels}, file)
        records = np.concatenate([np.array(labels, dtype=np.uint8)[:, None], pixels], axis=1)
        records.tofile(folder / "bin" / f"{name}.bin")
