"""Every command that the documentation shows, runs: in a folder with small runs by the names that it uses.

The commands are run as they stand, page by page in their order, on few images and with little to do: `LESS` is
appended, and the last of two equal options counts. What cannot be run here is in `NOT_RUN`, what takes long in `SLOW`.
"""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import nas
from nas.data import Dataset, Images
from nas.searching.timing import Estimate
from searchspaces import Compact

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PROGRAMS = ("nas", "make", "docker", "git", "pip", "python", "ray", "unzip", "curl", "sbatch", "kubectl", ".venv/bin/")

LESS = {
    "nas search": "--trials 1 --subset 20 --batch-size 10",
    "nas search --evaluator": "--trials 5",
    "nas train": "--epochs 1 --subset 20 --batch-size 10",
    "nas compare": "--epochs 1 --subset 20 --batch-size 10 --seeds 1",
    "nas soup --members": "--epochs 1 --subset 20 --batch-size 10",
    "nas bench": "--seeds 2 --evaluations 4 --jobs 1",
    "nas scale": "--no-time",
    "nas scale --search": "--seeds 1 --triples 1 --subset 20 --batch-size 10",
    "nas proxy-study --space": "--networks 3 --full 100 --cuts 20,50 --short 20,20@16 --seeds 1 --batch-size 10",
    "nas proxy-study --init": "--networks 3 --full 100 --cuts 20,50 --short 20,20+init --seeds 1 --batch-size 10",
    "nas supernet": "--epochs 1 --subset 20 --batch-size 10",
    "nas supernet --truth": "--epochs 1 --subset 20 --batch-size 10 --networks 10",
    "nas look": "--among 20 --filters 1 --patches 1 --steps 2 --photographs 1",
    "nas latency-table": "--rows 12 --networks 8 --image-size 16 --max-macs 200k",
    "nas resume": "--trials 4",
    "nas resume resnet8-trained": "",
}
"""Appended to a command that begins so or has that option, the last that fits."""

NAMES = {
    "RUN": "found",
    "compact-ppo:63": "compact-ppo:0",
    "compact-ppo:64": "compact-ppo:1",
    "compact-ppo:54": "compact-ppo:2",
}
"""What stands for a name of one's own, and trials that a run of three has not."""

NOT_RUN = {
    r"\.\.\.": "it is not written in full",
    r"^(make|git|\.venv/bin/)": "it is what builds and tests this checkout",
    r"^pip install": "it changes what is installed",
    r"^nas dashboard|uvicorn": "it serves until Ctrl-C",
    r"^curl": "it asks a server",
    r"^docker": "it needs Docker's engine",
    r"^sbatch|^kubectl": "it needs SLURM or Kubernetes: see tests/test_slurm.py, tests/test_kuberay.py",
    r"^ray |--address|--gpus|benchmarks/gpu": "it needs a cluster or GPUs",
    r"--storage": "it needs a database",
    r"--target-latency|--max-latency.*--latency-table": "what it finds depends on the machine",
    r"ssh pi": "it asks a device",
    r"python (bench|pretend_pi).py": "tests/test_device_page.py runs it, with the script",
    r"nas\.bench\.convert": "it needs the published archive",
    r"--to tflite": "it needs the extra tflite, which is large",
    r"--to pte": "it needs the extra pte, which is large",
}
SLOW = (
    r"^nas (bench|compare|export)|shipped/|signs/test/(star|heart)",
    r"^nas scale (?!--phi 3)",
    r"^nas baselines( --|$)",
    r"^nas (proxy-study|supernet|fuse|soup)|--evaluator supernet|--init macro",
    r"^nas train resnet56",
    r"--workers|--space nasnet",
    r"^python ",
)

CallNas = Callable[..., tuple[int, str, str]]

RUNS = ("found", "mnas-cifar10-1", "compact-cifar10-1", "compact-ppo", "nasnet-cifar10-1", "chain-cifar10-1")


def commands(page: Path) -> Iterator[str]:
    """Those of the page's code blocks, fenced or indented: in console `$ nas top`, in sh every line, else `nas top`."""
    text = page.read_text()
    for language, block in re.findall(r"^```(\w*).*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language in ("", "sh", "console"):
            yield from _commands(language, block)
    for block in re.findall(r"(?:^ {4}.*\n)+", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.M):
        yield from _commands("", block)


def _commands(language: str, block: str) -> Iterator[str]:
    lines = iter(re.sub(r"\\\n\s*|(?<=,)\n\s+", "", block).splitlines())
    for line in lines:
        command = re.sub(r"\s+#.*", "", line.strip())
        if language == "console":
            if command.startswith("$ "):
                yield command[2:]
        elif command and not command.startswith("#") and (language == "sh" or re.match(r"nas [a-z]", command)):
            yield command


def files(page: Path) -> Iterator[tuple[str, str]]:
    """Names and content of the files that the page shows: blocks of Python with a title."""
    yield from re.findall(r'^```py title="(\S+)"\n(.*?)^```', page.read_text(), re.DOTALL | re.MULTILINE)


def matching(patterns: object, command: str) -> bool:
    return any(re.search(pattern, command) for pattern in patterns)  # type: ignore[attr-defined]


def test_the_commands_are_of_programs_that_we_know() -> None:
    found = [command for page in PAGES for command in commands(page)]
    assert len(found) > 60 and all(command.startswith(PROGRAMS) for command in found)
    assert all(any(re.search(pattern, command) for command in found) for pattern in NOT_RUN if "dashboard" in pattern)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three small networks on random images, by the names of `RUNS`."""
    folder = tmp_path_factory.mktemp("documented") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.data.load", lambda name, *rest, **how: Dataset.split(name, tuple("0123456789"), few(200)))
        for name in RUNS:
            how = {"name": name, "runs_dir": folder, "strategy": "random", "data": "cifar10", "batch_size": 10}
            nas.search(space=Compact(width=0.25), trials=3, subset=20, **how)  # type: ignore[arg-type]
    return folder


def few(count: int) -> Images:
    """Images of 32 pixels in ten classes."""
    pixels = (torch.arange(count * 32 * 32 * 3) % 251).to(torch.uint8)
    return Images(pixels.reshape(count, 32, 32, 3), torch.arange(count) % 10)


def masked(images: Images) -> Images:
    """The same with masks: of each the red that it has."""
    return Images(images.pixels, images.pixels[..., 0] // 128)


def boxed(images: Images) -> Images:
    """The same with a box in the middle of each."""
    boxes = torch.tensor([0.2, 0.2, 0.8, 0.8]).repeat(len(images), 1)
    return Images(images.pixels, torch.cat([boxes, images.labels[:, None].float()], 1)[:, None])


@pytest.fixture
def folder(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documentation takes as given: runs, images. Every data set is of few images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NAS_RUNS", raising=False)
    read, read_test = nas.data.load, nas.data.load_test

    def load(name: str, place: object = None, **how: object) -> Dataset:
        if nas.data.is_folder(name):
            return read(name, place, **how)  # type: ignore[arg-type]
        if how.get("task") == "segmentation":
            return Dataset.split(name, ("ground", "thing"), masked(few(200)), "segmentation")
        if how.get("task") == "detection":
            return Dataset.split(name, tuple("0123456789"), boxed(few(200)), "detection")
        return Dataset.split(name, tuple("0123456789"), few(200))

    def load_test(name: str, place: object = None, **how: object) -> Images:
        if nas.data.is_folder(name):
            return read_test(name, place, **how)  # type: ignore[arg-type]
        labelled = {"segmentation": masked, "detection": boxed}.get(str(how.get("task")))
        return labelled(few(20)) if labelled else few(20)

    monkeypatch.setattr("nas.data.load", load)
    monkeypatch.setattr("nas.data.load_test", load_test)
    monkeypatch.setattr("nas.ledger.experience.FEWEST", 1)  # trials are fewer here than is said
    monkeypatch.setattr("nas.searching.plan.estimate_trial_seconds", lambda *args: Estimate(1.0, 4, 4))
    shutil.copytree(runs, tmp_path / "runs")
    for name in ("flowers", "signs", "source", "target"):
        for number in range(2 * 30):
            place = tmp_path / name / ("train", "test")[number % 3 == 0] / ("daisy", "tulip")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, 99, 0)).save(place / f"{number}.png")
    make_cells(tmp_path / "cells")
    make_masks(tmp_path / "camvid")
    make_boxes(tmp_path / "bccd")
    (tmp_path / "photos").mkdir()
    for photograph in ("holiday.jpg", "photo.jpg", "photos/one.jpg"):
        Image.new("RGB", (40, 30), "green").save(photograph)
    return tmp_path


def make_cells(root: Path) -> None:
    """Cells of ten patients, in folders of classes and in a list that says of which patient each is."""
    rows = ["file,label,patient"]
    for number in range(60):
        name = f"{('well', 'sick')[number % 2]}/patient{number // 6}_{number}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number, 99, 0)).save(root / name)
        rows.append(f"{name},{name.partition('/')[0]},{number // 6}")
    (root / "list.csv").write_text("\n".join(rows), "utf-8")
    labels = [f"cells/{row.split(',')[0]},{('red;white', 'red', '')[n % 3]},{n}" for n, row in enumerate(rows[1:])]
    (root.parent / "cells.csv").write_text("\n".join(["file,labels,red", *labels]), "utf-8")
    (root.parent / "scenes.csv").write_text("\n".join(["file,labels,red", *labels]), "utf-8")


def make_masks(root: Path) -> None:
    """Images and masks of two classes, in splits."""
    for number in range(60):
        split = root / ("train", "val", "test")[number % 3]
        for kind, picture in (
            ("images", Image.new("RGB", (40, 32), (number, 99, 0))),
            ("masks", Image.new("L", (40, 32), number % 2)),
        ):
            (split / kind).mkdir(parents=True, exist_ok=True)
            picture.save(split / kind / f"{number}.png")


def make_boxes(root: Path) -> None:
    """Images with a box each, of two classes, as VOC has them.

    They are noise, as an export's examples are: of plain images batch norms learn a deviation near zero, by which the
    scores of noise are so large that their probabilities differ from library to library.
    """
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir()
    for number in range(60):
        noise = random.Random(number).randbytes(40 * 32 * 3)
        Image.frombytes("RGB", (40, 32), noise).save(root / "JPEGImages" / f"{number}.png")
        box = "<xmin>9</xmin><ymin>5</ymin><xmax>30</xmax><ymax>25</ymax>"
        size = "<size><width>40</width><height>32</height></size>"
        said = f"<object><name>{('red', 'white')[number % 2]}</name><bndbox>{box}</bndbox></object>"
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{size}{said}</annotation>", "utf-8")
        with (root / "ImageSets" / "Main" / f"{('train', 'train', 'val', 'test')[number % 4]}.txt").open("a") as names:
            names.write(f"{number}\n")


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES if any(commands(page))])
def test_commands_run(page: Path, folder: Path, call_nas: CallNas, published_table: Callable[[str], Path]) -> None:
    run_all(page, [c for c in commands(page) if not matching(SLOW, c)], folder, call_nas, published_table)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in PAGES if any(matching(SLOW, c) for c in commands(page))]
)
def test_slow_commands_run(page: Path, folder: Path, call_nas: CallNas, published_table: Callable[[str], Path]) -> None:
    run_all(page, list(commands(page)), folder, call_nas, published_table)


def run_all(
    page: Path, found: list[str], folder: Path, call_nas: CallNas, published_table: Callable[[str], Path]
) -> None:
    for name, text in files(page):
        (folder / name).write_text(text)
    for command in found:
        if matching(NOT_RUN, command):
            continue
        for table in re.findall(r"--(?:table|truth) (\S+\.\w+)", command):
            if not (folder / table).exists():
                (folder / table).symlink_to(published_table("nasbench_macro" if "macro" in table else "nasbench201"))
        words = shlex.split(re.sub("|".join(rf"\b{name}\b" for name in NAMES), lambda m: NAMES[m[0]], command))
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True, timeout=120)
            continue
        for trained in [*folder.glob("*-trained"), *folder.glob("runs/*/trained-*")]:  # a page may train one twice
            if words[1] == "train" and "--out" not in words:
                shutil.rmtree(trained)
        less = [options for kind, options in LESS.items() if kind_of(kind, words)]
        code, out, err = call_nas(*words[1:], *shlex.split(less[-1] if less else ""))
        assert code == 0, f"{command}\n{out}{err}"


def kind_of(kind: str, words: list[str]) -> bool:
    """Whether a command is of that kind: `nas scale --search` begins with the first two and has the third."""
    program, name, *options = kind.split()
    return words[:2] == [program, name] and all(option in words for option in options)
