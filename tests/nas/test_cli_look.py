"""`nas look`, as a person calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from nas.data import Dataset, Images
from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.files import write_network
from nas.network import Designed

pytest.importorskip("captum")
Cli = Callable[..., tuple[int, str, str]]
LESS = (
    "--among",
    "20",
    "--filters",
    "2",
    "--patches",
    "2",
    "--steps",
    "3",
    "--photographs",
    "2",
    "--class-pictures",
    "2",
)


class Reader(HTMLParser):
    """The text of a page, and its pictures; raises where an element is closed that was not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: str) -> Reader:
    reader = Reader()
    reader.feed(Path(path).read_text("utf-8"))
    assert reader.open == []
    assert all(str(p["src"]).startswith("data:image/webp;base64,") and p["alt"] for p in reader.pictures)
    return reader


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli, tiny: Dataset) -> Cli:
    """Calls `nas` in a folder with a network in `net/`, of random weights that are said to be trained, on `tiny`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, *_, **__: tiny)
    save("net", "resnet8@0.25", tiny)
    Image.new("RGB", (30, 20), "green").save("photo.jpg")
    return call_nas


def save(folder: str, name: str, tiny: Dataset) -> None:
    torch.manual_seed(0)
    Path(folder).mkdir()
    module = Designed(name).build(4, 16).eval()
    task = Task(tiny.class_names, Preprocessing(16, tiny.mean, tiny.std), "cifar10")
    write_network(Path(folder), Designed(name), module, (4, 16), task.metadata())


def test_a_page(nas: Cli) -> None:
    code, out, err = nas("look", "net", "--data", "cifar10", *LESS)
    assert code == 0, err
    assert out.startswith("data      tiny, 4 classes: a, b, c, d\nnetwork   resnet8@0.25, weights of net/weights.")
    assert "\ndevice    cpu, 1 thread; seed 0\nlayers    conv1, " in out
    assert re.search(r"\nwrote net-look\.html, \d+ kB\n$", out)
    page = read("net-look.html")
    assert page.text.count("right") and "untrained: its weights" not in page.text
    for said in ("The first layer's filters", "What excites filters", "Classes at their most", "Where it looks"):
        assert said in page.text
    for paper in ("1311.2901", "1312.6034", "1412.6806", "1703.01365", "1610.02391"):
        assert paper in page.text
    alts = [str(picture["alt"]) for picture in page.pictures]
    assert sum(alt.startswith("deconvnet of filter") for alt in alts) > 4
    assert [
        sum(alt.startswith(method) for alt in alts) for method in ("saliency", "guided", "Grad-CAM", "occlusion")
    ] == [2] * 4


def test_the_same_seed_gives_the_same_page(nas: Cli) -> None:
    def made(name: str, seed: int) -> str:
        assert nas("look", "net", "--data", "cifar10", *LESS, "--seed", str(seed), "--out", name)[0] == 0
        return re.sub(r"<dt>took.*?</dd>", "", Path(name).read_text("utf-8"))

    first = made("one.html", 1)
    assert made("again.html", 1) == first and made("two.html", 2) != first


def test_an_untrained_network_is_called_so(nas: Cli) -> None:
    code, out, err = nas("look", "resnet8@0.25", "--data", "cifar10", *LESS)
    assert code == 0, err
    assert "network   resnet8@0.25, UNTRAINED: random weights; at 16 pixels" in out
    assert "This network is untrained: its weights are random" in read("resnet8@0.25-look.html").text


def test_where_a_method_is_not_defined_the_page_says_so(nas: Cli, tiny: Dataset) -> None:
    save("swish", "efficientnet_b0@0.25", tiny)
    code, out, err = nas("look", "swish", "--data", "cifar10", *LESS)
    assert code == 0, err
    assert "no deconvnet and no guided backpropagation: the network has SiLU, and they are defined for ReLU" in out
    page = read("swish-look.html")
    assert "The deconvnet's pictures are not shown: the network has SiLU" in page.text
    assert "Not defined: the network has SiLU" in page.text
    assert not any(str(picture["alt"]).startswith(("deconvnet", "guided")) for picture in page.pictures)


def test_photographs_of_ones_own(nas: Cli) -> None:
    code, out, err = nas("look", "net", "--data", "cifar10", *LESS, "--images", "photo.jpg", "--json")
    assert code == 0 and "data      tiny" in err
    found = json.loads(out)
    assert [one["image"] for one in found["photographs"]] == ["photo.jpg"]
    assert found["trained"] and found["undefined"] == "" and set(found["layers"][0]) >= {"layer", "silent", "excited"}
    assert "photo.jpg: " in read("net-look.html").text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fcn8:resnet8"], "says a class of each pixel, and nas look is for what is said of whole images"),
        (["net", "--layers", "conv9"], "--layers: the network has no layer 'conv9'; it has conv1, "),
        (["net", "--images", "none.jpg"], "there is no image none.jpg"),
        (["net", "--out", "no/where.html"], "no/where.html is no place for a page"),
        (["net", "--out", "net"], "net is no place for a page"),
        (["photo.jpg"], "photo.jpg is an image: the network comes first"),
        (["net/weights.safetensors"], "is a part of a network: name its folder, net"),
        (["nothing"], "'nothing' is no network"),
    ],
)
def test_mistakes(nas: Cli, words: list[str], said: str) -> None:
    code, _, err = nas("look", *words, "--data", "cifar10", *LESS)
    assert code == 2 and said in err and err.count("\n") == 1


def test_without_captum(nas: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.seeing.quiet.importlib.util.find_spec", lambda name: None)
    code, _, err = nas("look", "net", "--data", "cifar10")
    assert (code, err) == (2, "nas: nas look needs captum: pip install 'nas-toolkit[look]'\n")


@pytest.mark.parametrize(("kind", "said"), [("multilabel", "b by "), ("regression", "a is ")])
def test_labels_and_numbers(nas: Cli, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, kind: str, said: str) -> None:
    """Of labels the likeliest is explained, of numbers the first; neither is right or wrong."""
    labels = torch.nn.functional.one_hot(torch.arange(200) % 4, 4).float()
    images = Images(torch.cat([tiny.train.pixels, tiny.val.pixels]), labels)
    dataset = Dataset.split("tiny", tiny.class_names, images, kind)
    monkeypatch.setattr("nas.data.load", lambda name, *_, **__: dataset)
    Path("other").mkdir()
    module = Designed("resnet8@0.25").build(4, 16).eval()
    with torch.no_grad():
        list(module.parameters())[-1][1] = 5.0
    write_network(Path("other"), Designed("resnet8@0.25"), module, (4, 16), Task.of(dataset).metadata())
    code, _, err = nas("look", "other", "--data", "cifar10", *LESS)
    assert code == 0, err
    text = read("other-look.html").text
    assert f": {said}" in text and " %, right" not in text and " %, wrong" not in text
    assert ("Numbers at their largest" in text) == (kind == "regression")
