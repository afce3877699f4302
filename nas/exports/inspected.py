"""A `.pt2` file that somebody else wrote, looked at before PyTorch opens it.

`torch.export.load` may run what its author likes: it reads pickles, loads compiled libraries, evaluates text (of
guards, of sizes, of arguments' names) as Python, and calls any function that a node names. Of all this a file of `nas
export` has nothing: it has tensors as plain bytes, and a graph of PyTorch's own operators. What has more is refused.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import torch

_MEMBERS = re.compile(
    r"data/weights/weight_\d+|data/constants/tensor_\d+|data/(weights|constants)/model_\w+_config\.json|"
    r"models/model\.json|data/sample_inputs/model\.pt|extra/metadata\.json|archive_format|archive_version|"
    r"\.data/version|\.data/serialization_id|byteorder"
)
_SIZE = re.compile(
    r"(Symbol\('s\d+', (positive=True, )?integer=True\)|Integer|Mul|Add|Max|Min|FloorDiv|Mod|[\s(),+/\-\d]|\*(?!\*))*"
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_MORE = {"as_custom_obj", "as_operator", "as_graph", "as_graph_tensor", "custom_obj", "subgraphs"}


def checked_pt2(content: bytes) -> bytes:
    """The content of a .pt2 file, to open. Raises ValueError where it has what `nas export` never writes.

    What was looked at is packed anew: an archive may be made so that one reader finds other parts in it than the next.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        root = names[0].partition("/")[0] + "/" if names else ""
        for name in names:
            if not name.startswith(root) or not _MEMBERS.fullmatch(name.removeprefix(root)) or names.count(name) > 1:
                raise _refused(f"the part {name!r}")
        parts = {name.removeprefix(root): archive.read(name) for name in names}
    for name, part in parts.items():
        if name.endswith("_config.json"):
            _check_tensors(json.loads(part))
        elif name == "models/model.json":
            _check_program(json.loads(part))
        elif name.endswith(".pt"):
            torch.load(io.BytesIO(part), weights_only=True)  # as it would be without that, where this failed
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(f"{root}{name}", part)
    return packed.getvalue()


def _check_tensors(config: Any) -> None:
    for payload in config["config"].values():
        if payload["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", payload["path_name"]):
            raise _refused("a pickle")


def _check_program(program: Any) -> None:
    if program.get("guards_code"):
        raise _refused("code of guards")
    for key, value in _items(program):
        if key in _MORE and value not in (None, [], {}):
            raise _refused(f"a value {key}")
        if key in _CHECKS and not _CHECKS[key](value):
            raise _refused(f"{key} {str(value)[:80]!r}")


def _is_operator(target: object) -> bool:
    """One of PyTorch's own on tensors and their sizes, and none that reads a file."""
    known = r"torch\.ops\.(aten|quantized_decomposed)\.\w+\.\w+|_operator\.(add|sub|mul|floordiv|getitem|mod|neg)"
    return isinstance(target, str) and bool(re.fullmatch(known, target)) and "file" not in target


def _is_tree(text: object) -> bool:
    """Of tuples, lists and dictionaries alone: other kinds are imported."""
    tree = json.loads(text) if isinstance(text, str) else None
    return tree is None or all(
        value in _TREES if key == "type" else key != "context" or value in (None, "null", "[]")
        for key, value in _items(tree)
    )


def _is_word(text: object) -> bool:
    return text is None or (isinstance(text, str) and bool(_WORD.fullmatch(text)))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "target": _is_operator,
    "expr_str": lambda text: isinstance(text, str) and bool(_SIZE.fullmatch(text)),
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    "forward_arg_names": lambda names: names is None or all(map(_is_word, names)),
    "treespec_namedtuple_fields": lambda fields: not fields,
    "as_string": lambda text: isinstance(text, str) and bool(re.fullmatch(r"[a-z]{0,20}", text)),
    "name": _is_word,
}


def _items(value: Any) -> Any:
    """Every key of every dictionary in a JSON `value`, and what stands there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner)


def _refused(what: str) -> ValueError:
    return ValueError(f"it has {what}, which nas export never writes; to open it is to run its code")
