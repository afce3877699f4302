"""What is released, is whole: the version is one, and the wheel works in an environment of its own, elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

import nas

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("nas", "scaling", "searchspaces")
PYTHONS = [re.findall(r":: (3\.\d+)$", line)[0] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"

Cli = Callable[..., tuple[int, str, str]]


# ---------------------------------------------------------------------------- what is said of it


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == nas.__version__ and citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_extras_that_are_named_exist_and_each_has_its_price() -> None:
    extras = PROJECT["optional-dependencies"].keys()
    pages = [ROOT / "README.md", ROOT / "Dockerfile", *(ROOT / "docs").rglob("*.md"), *(ROOT / "nas").rglob("*.py")]
    for page in pages:
        for named in re.findall(r"(?:nas-toolkit|'\.|\.whl)\[([a-z,]+)\]", page.read_text()):
            assert set(named.split(",")) <= extras, f"{page}: {named}"
    priced = re.findall(r"^\| `(\w+)` \| .* MB", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    assert set(priced) == extras - {"dev"}


def test_the_container_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> None:
    """As far as that shows without building it: nothing is copied that is not there, and what it runs, runs."""
    lines = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
    said = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    assert [text for name, text in said if name == "USER"] == ["1000"] and said.count(("ENTRYPOINT", '["nas"]')) == 1
    asked = dict(text.split("=") for name, text in said if name == "ARG")
    assert asked["PYTHON"] in PYTHONS
    assert set(asked["EXTRAS"].split(",")) <= PROJECT["optional-dependencies"].keys()
    for sources in (text.split()[:-1] for name, text in said if name == "COPY"):
        assert sources[0].startswith("--from=") or all((ROOT / source).exists() for source in sources)
    (command,) = (text for name, text in said if name == "CMD")
    monkeypatch.chdir(tmp_path)
    code, _, err = call_nas(*yaml.safe_load(command), "--trials", "1", "--subset", "20", "--batch-size", "10")
    assert code == 0, err


# ---------------------------------------------------------------------------- sdist and wheel, built and installed


@dataclass(frozen=True)
class Built:
    """The archives of a release, and the wheel that is built of the sources without the sdist between."""

    sdist: Path
    wheel: Path
    of_sources: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("release")
    left = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "runs", "shared", "site", "*.egg-info")
    shutil.copytree(ROOT, folder / "sources", ignore=left)  # the build writes beside them
    for out, how in {"dist": (), "direct": ("--wheel",)}.items():
        called(sys.executable, "-m", "build", *how, "--outdir", folder / out, folder / "sources", cwd=folder)
    ((sdist,), (wheel,)) = (list((folder / "dist").glob(name)) for name in ("*.tar.gz", "*.whl"))
    (of_sources,) = (folder / "direct").iterdir()
    return Built(sdist, wheel, of_sources)


def called(*command: str | Path, cwd: Path) -> str:
    """What a program prints that runs in the folder `cwd`, and knows nothing of this checkout. It must succeed."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NAS_"))}
    done = subprocess.run(command, cwd=cwd, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_has_the_packages_and_nothing_else(built: Built) -> None:
    """All files of the packages, data among them; the sdist has what tests and documentation need as well."""
    name = f"nas_toolkit-{nas.__version__}"
    assert built.wheel.name == f"{name}-py3-none-any.whl" and built.sdist.name == f"{name}.tar.gz"
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = {f"{name}.dist-info/{file}" for file in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")}
    in_wheel = set(zipfile.ZipFile(built.wheel).namelist())
    assert in_wheel == there | info | {f"{name}.dist-info/licenses/LICENSE"}
    assert in_wheel == set(zipfile.ZipFile(built.of_sources).namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= in_wheel
    with tarfile.open(built.sdist) as archive:
        in_sdist = {member.removeprefix(f"{name}/") for member in archive.getnames()}
    assert there | {"tests/nas/test_release.py", "docs/install.md", "constraints.txt", "CITATION.cff"} <= in_sdist


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_wheel_works_elsewhere(built: Built, python: str, tmp_path: Path) -> None:
    """In a new environment, in a folder that has nothing to do with the checkout: README's commands, in small.

    With PyTorch for the Python that runs the tests; for others that may be gigabytes, so there it is left out, and
    what needs none is run. `NAS_RELEASE=whole` has it installed for all.
    """
    executable = find_python(python)
    if executable is None:
        pytest.skip(f"there is no Python {python} here")
    called(executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    installed, commands = tmp_path / "env" / "bin" / "python", tmp_path / "env" / "bin" / "nas"
    pip = (installed, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
    whole = python == OURS or os.environ.get("NAS_RELEASE") == "whole"
    if whole:
        called(*pip, "-c", ROOT / "constraints.txt", built.wheel, cwd=tmp_path)
    else:
        called(*pip, "--no-deps", built.wheel, cwd=tmp_path)
        called(*pip, "-c", ROOT / "constraints.txt", *without_torch(), cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    find = "import nas; from importlib.util import find_spec; print(*(find_spec(p).origin for p in sys.argv[1:]))"
    places = called(installed, "-c", f"import sys; {find}", *PACKAGES, cwd=work).split()  # two of them import torch
    packages = tmp_path / "env" / "lib" / f"python{python}" / "site-packages"
    assert [Path(place).parent for place in places] == [packages / name for name in PACKAGES]
    said = called(commands, "--version", cwd=work)
    assert said.startswith(f"nas {nas.__version__} (") and f", Python {python}." in said
    assert "--max-macs" in called(commands, "search", "-h", cwd=work)
    called(installed, "-m", "compileall", "-q", *(packages / name for name in PACKAGES), cwd=work)
    if whole:
        use(commands, installed, work)


def find_python(wanted: str) -> str | None:
    """An interpreter of that version, `3.12`: this one, one on the PATH, one of pyenv's; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(f"{wanted}.*/bin/python")
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in (sys.executable, shutil.which(f"python{wanted}"), *map(str, sorted(pyenv))):
        if candidate is None:
            continue
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == wanted:
            return candidate
    return None


def without_torch() -> list[str]:
    """What a wheel needs besides PyTorch, and besides what needs that itself."""
    return [text for text in PROJECT["dependencies"] if not Requirement(text).name.startswith("torch")]


def use(commands: Path, python: Path, folder: Path) -> None:
    """The search that README begins with, on fewer images, and what a person does with what it found."""
    said = (ROOT / "README.md").read_text()  # its two workers need Ray, which is not there
    (search,) = re.findall(r"^nas (search --space compact --data cifar10 .*) --workers 2 .*$", said, re.MULTILINE)
    less = "--data shapes2 --max-macs 500k --subset 200 --batch-size 20 --trials 2 --name first"
    assert "2 trials done" in called(commands, *shlex.split(f"{search} {less}"), cwd=folder)
    assert "MACs" in called(commands, "top", "first", cwd=folder)
    called(commands, *shlex.split("train first:best --epochs 1 --subset 200 --batch-size 20"), cwd=folder)
    called(commands, *shlex.split("export first:best --to standalone,pt2 --out shipped"), cwd=folder)
    Image.new("RGB", (40, 30), "green").save(folder / "photo.jpg")
    assert "%" in called(commands, "predict", "first:best", "photo.jpg", cwd=folder)
    assert "%" in called(python, "shipped/network.py", "photo.jpg", cwd=folder)
    called(commands, "report", "first", cwd=folder)
    python_block = "import nas; print(len(nas.open('runs/first').trials), nas.load('resnet20').build(100, 32)(x).shape)"
    assert "[1, 100]" in called(python, "-c", f"import torch; x = torch.rand(1, 3, 32, 32); {python_block}", cwd=folder)
