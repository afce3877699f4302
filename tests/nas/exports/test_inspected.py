"""A stranger's .pt2 is refused for what PyTorch would run in it; what nas exports is not."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nas import baselines
from nas.exports.classifier import Classifier
from nas.exports.formats import pt2_bytes, pt2_metadata, run_pt2, to_program
from nas.exports.inspected import checked_pt2


@pytest.fixture(scope="module")
def ours() -> bytes:
    return pt2_bytes(to_program(baselines.build("resnet8", 10, 32).eval(), 32), {"class_names": "[]"})


def edited(content: bytes, change: Callable[[dict[str, bytes]], object]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def in_model(change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], None]:
    def of_parts(parts: dict[str, bytes]) -> None:
        model = json.loads(parts["archive/models/model.json"])
        change(model)
        parts["archive/models/model.json"] = json.dumps(model).encode()

    return of_parts


def in_weights(parts: dict[str, bytes]) -> None:
    name = "archive/data/weights/model_weights_config.json"
    config = json.loads(parts[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    parts[name] = json.dumps(config).encode()


class Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path(self.path).touch, ()


def first_node(model: Any) -> Any:
    return model["graph_module"]["graph"]["nodes"][0]


def call_of(model: Any) -> Any:
    return model["graph_module"]["module_call_graph"][0]["signature"]


def sized(expression: str) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        model["graph_module"]["graph"]["extra"] = {"as_expr": {"expr_str": expression}}

    return change


RUN = "__import__('os').system('touch ran')"
ATTACKS: dict[str, Callable[[dict[str, bytes]], object]] = {
    "a pickle for a weight": in_weights,
    "inputs that are a pickle": lambda parts: parts.update(
        {"archive/data/sample_inputs/model.pt": pickle.dumps(Touch("ran"))}
    ),
    "a compiled library": lambda parts: parts.update({"archive/data/aotinductor/model/x.so": b"\x7fELF"}),
    "a path outside": lambda parts: parts.update({"archive/../x": b""}),
    "guards": in_model(lambda model: model.update(guards_code=[RUN])),
    "a function as operator": in_model(lambda model: first_node(model).update(target="torch.os.system")),
    "an operator of another library": in_model(lambda m: first_node(m).update(target="torch.ops.evil.run.default")),
    "an operator on files": in_model(lambda m: first_node(m).update(target="torch.ops.aten.from_file.default")),
    "a size that is code": in_model(sized(RUN)),
    "a size that never ends": in_model(sized("9**9**9")),
    "a name that is code": in_model(lambda model: call_of(model).update(forward_arg_names=[f"x={RUN}"])),
    "a kind that is imported": in_model(
        lambda m: call_of(m).update(in_spec=call_of(m)["in_spec"].replace("builtins.tuple", "evil.Kind"))
    ),
    "an object": in_model(lambda model: first_node(model).update(as_custom_obj={"name": "x", "class_fqn": "y"})),
}


def test_what_nas_exports_is_opened(ours: bytes) -> None:
    images = torch.rand(3, 3, 32, 32)
    for content in (ours, edited(ours, lambda parts: None)):
        assert torch.equal(run_pt2(checked_pt2(content))(images), run_pt2(ours)(images))
        assert pt2_metadata(checked_pt2(content)) == {"class_names": "[]"}


def test_of_two_archives_in_one_that_is_opened_which_was_looked_at(ours: bytes) -> None:
    theirs = edited(ours, ATTACKS["guards"])
    assert checked_pt2(theirs + ours)[-40:] == checked_pt2(ours)[-40:]
    with pytest.raises(ValueError, match="code of guards"):
        checked_pt2(ours + theirs)


@pytest.mark.parametrize("what", ATTACKS)
def test_what_would_run_is_refused(ours: bytes, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.export, "load", lambda *args, **kwargs: pytest.fail("it was opened"))
    Path("theirs.pt2").write_bytes(edited(ours, ATTACKS[what]))
    with pytest.raises(ValueError, match=r"theirs\.pt2 is no network that nas exported: ") as error:
        Classifier.load("theirs.pt2")
    assert "\n" not in str(error.value) and not Path("ran").exists()
