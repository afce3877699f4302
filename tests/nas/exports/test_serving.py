"""The servers that docs/serve.md shows answer an upload as `nas predict` does: with nas, and by exported files alone.

Each runs in a process of its own, in the folder that it is meant for, where what it must not need cannot be imported.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

import nas
from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.classifier import Classifier
from nas.exports.files import write_network
from nas.network import Designed

PAGE = Path(__file__).parents[3] / "docs" / "serve.md"
SERVERS = dict(re.findall(r'^```py title="(\S+)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE))
NEEDED = ("fastapi", "httpx2", "python_multipart")

CLIENT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[2].split(",")))  # so that importing one of them fails
sys.path.insert(0, ".")
import importlib, json
from pathlib import Path
from fastapi.testclient import TestClient

client = TestClient(importlib.import_module(sys.argv[1]).app)
for upload in (Path("ein Bild.png").read_bytes(), b"no image", b""):
    answer = client.post("/classify", files={"photo": ("ein Bild.png", upload)})
    print(json.dumps([answer.status_code, answer.json()]))
print(client.post("/classify").status_code)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training in `flowers-net/`, its exports in `shipped/`, a photograph, and the servers beside."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        pytest.skip(f"serving needs what is not installed here: {', '.join(missing)} (pip install 'nas-toolkit[dev]')")
    pytest.importorskip("onnxscript")
    home = tmp_path_factory.mktemp("home")
    (home / "flowers-net").mkdir()
    torch.manual_seed(0)
    module = Designed("resnet8@0.25").build(3, 16).eval()
    task = Task(("oak", "pine tree", "Ümlaut"), Preprocessing(16, (0.3, 0.4, 0.6), (0.3, 0.2, 0.25)), "folder:trees")
    write_network(home / "flowers-net", Designed("resnet8@0.25"), module, (3, 16), task.metadata())
    nas.export(home / "flowers-net", to="standalone,onnx", out=home / "shipped", progress="none")
    for folder in (home, home / "shipped"):
        Image.radial_gradient("L").resize((50, 30)).save(folder / "ein Bild.png")
        for name, text in SERVERS.items():
            (folder / name).write_text(text)
    return home


@pytest.mark.parametrize(
    ("server", "folder", "without"),
    [("serve", ".", "none"), ("serve_onnx", "shipped", "nas,torch"), ("serve_torch", "shipped", "nas,onnxruntime")],
)
def test_a_server_classifies_an_upload(home: Path, server: str, folder: str, without: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, server, without],
        cwd=home / folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *answers, without_a_file = map(json.loads, done.stdout.splitlines())
    (status, shares), (no_image, reason), (empty, empty_reason) = answers
    wanted = Classifier.load(str(home / "flowers-net")).classify(home / "ein Bild.png")
    assert status == 200 and shares == pytest.approx(wanted, abs=1e-5) and list(shares) == list(wanted)
    assert (no_image, reason) == (422, {"detail": "the file cannot be read as an image: cannot identify image file"})
    assert (empty, empty_reason) == (422, {"detail": "the file cannot be read as an image: the file is empty"})
    assert without_a_file == 422


def test_the_servers_are_short() -> None:
    assert set(SERVERS) == {"serve.py", "serve_onnx.py", "serve_torch.py"}
    for text in SERVERS.values():
        assert len([line for line in text.splitlines() if line.strip()]) <= 10
