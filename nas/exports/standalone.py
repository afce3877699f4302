"""A network as a Python file that builds it with PyTorch alone, its rows visible and what they repeat as functions.

The file is written from the built modules, so it is of exactly this network whatever made it: its `state_dict` has the
same keys, and with the same weights its outputs are the same to the last bit.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import nas
from nas.data.task import Task
from nas.exports.factor import Function, factor
from nas.exports.photographs import CONSTANTS, SAY, SAY_IMPORTS, for_network, reading
from nas.exports.source import WIDTH, Sources, imports_of, run_source
from nas.exports.text import in_docstring, literal, render
from nas.exports.tree import REQUIRED, Arg, Call, check_fields, expression_of
from nas.references.show import format_size
from nas.text.units import format_count
from searchspaces.cost import RowCost, cost, costs_by_row
from searchspaces.describe import describe
from searchspaces.images import RGB

NAME = "network"  # of the module that the file is


def standalone_source(
    module: nn.Module, title: str, image_size: int, num_classes: int, task: Task | None = None, channels: int = RGB
) -> str:
    """The text of a Python file that builds `module`: `[B, channels, image_size, image_size]` -> `[B, num_classes]`.

    With the `task` that it was trained for, the file classifies photographs, too.
    Raises ValueError where a module of a class of one's own holds something that cannot be written as text, or needs
    more than PyTorch, with its name.
    """
    check_fields(module.modules())
    sources = Sources(module.modules())
    photographs = reading(for_torch=True) if task else Sources([])
    if task and (twice := sources.texts.keys() & {*photographs.texts, *CONSTANTS}):
        raise ValueError(f"{min(twice)} is also what reads photographs in the file: rename the network's own")
    command = _COMMAND_IMPORTS | (SAY_IMPORTS | {"partial": ("functools", "partial")} if task else {})
    ours = {NAME, "read", "trained", "predict", "check", "need", "say", "words", "main"}
    reserved = {*sources.texts, *sources.imports, *photographs.texts, *photographs.imports, *command, *ours}
    functions, root = factor(expression_of(module), reserved)
    rows = costs_by_row(module, image_size, channels) if isinstance(module, nn.Sequential) else []
    parts = [
        _settings(module, image_size, num_classes, channels),
        *_section("modules", [text.rstrip() for text in sources.texts.values()]),
        *_section("blocks", [*map(_definition, functions)]),
        *_section("the network", [_network(root, rows)]),
        *_section("weights", [_READ.strip("\n")]),
        *(_section("photographs, which Pillow and NumPy read", for_network(task)) if task else []),
        *_section("the command", [(_CLASSIFYING if task else _CHECKING).strip("\n")]),
    ]
    text = "\n\n\n".join(parts)
    ordered = {"OrderedDict": ("collections", "OrderedDict")} if "OrderedDict(" in text else {}
    imports = imports_of(command | ordered | sources.imports | photographs.imports, photographs.for_types)
    return f"{_header(title, module, (channels, image_size), num_classes, task)}\n\n{imports}\n\n{text}\n"


def load_source(source: str) -> nn.Module:
    """The network that a standalone file's text builds, with PyTorch's first weights."""
    network: nn.Module = run_source(source, Path(f"{NAME}.py")).network()
    return network


def logits_of(source: str, weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """What the network of a standalone file's text gives `images` with these weights, in evaluation mode."""
    network = load_source(source)
    network.load_state_dict(weights)
    with torch.no_grad():
        out: Tensor = network.eval()(images)
    return out


# ---------------------------------------------------------------------------- the parts of the file


def _header(title: str, module: nn.Module, image: tuple[int, int], num_classes: int, task: Task | None) -> str:
    """`image`: its channels and pixels."""
    channels, image_size = image
    size = cost(module, image_size, channels)
    photographs = ", and Pillow and NumPy for photographs" if task else ""
    about = (
        f"Images [B, {channels}, {image_size}, {image_size}] -> logits [B, {num_classes}]; {size.params:,} parameters, "
        f"{size.macs:,} multiply-adds (MACs) for one image. It needs PyTorch alone{photographs}. Its weights start as "
        "PyTorch's layers do, until trained ones are loaded:"
    )
    command = "    python network.py --weights weights.safetensors     # or a .pt file of tensors by their names"
    if task:
        command += f"\n    {'python network.py PHOTO':51} # what is on it, by the weights.safetensors beside it"
    written = f"Written by nas {nas.__version__} with PyTorch {torch.__version__}."
    lines = [*_after_commas(in_docstring(title), WIDTH - 3), "", *textwrap.wrap(about, WIDTH)]
    return "\n".join(['"""' + lines[0], *lines[1:], "", command, "", written, '"""'])


def _after_commas(text: str, width: int) -> list[str]:
    """An architecture's text as lines that joined are it again: broken after commas alone, whatever their length."""
    lines = [""]
    for piece in text.split(","):
        if lines[-1] and len(lines[-1]) + len(piece) + 1 > width:
            lines.append("")
        lines[-1] += f"{piece},"
    return [*lines[:-1], lines[-1].removesuffix(",")]


_COMMAND_IMPORTS = {
    "argparse": ("argparse", ""),
    "json": ("json", ""),
    "Path": ("pathlib", "Path"),
    "torch": ("torch", ""),
    "Tensor": ("torch", "Tensor"),
    "nn": ("torch", "nn"),
}


def _settings(module: nn.Module, image_size: int, num_classes: int, channels: int) -> str:
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return f"CHANNELS = {channels}\nIMAGE_SIZE = {image_size}\nNUM_CLASSES = {num_classes}\nPARAMETERS = {parameters:_}"


def _section(title: str, parts: list[str]) -> list[str]:
    if not parts:
        return []
    return [f"# {'-' * 76} {title}", *parts]


def _definition(function: Function) -> str:
    ordered = sorted(function.parameters, key=lambda arg: arg.default is not REQUIRED)
    signature = f"def {function.name}({', '.join(map(_parameter, ordered))}) -> nn.Module:"
    alike = " and alike" if function.parameters and function.words else ""
    words = f"{function.words or function.name}{alike}: {function.uses} in the network."
    body = render(function.body, 4, WIDTH - len("    return "))
    docstring = textwrap.wrap(f'"""{words}"""', WIDTH - 4, break_on_hyphens=False)
    return "\n    ".join([signature, *docstring, f"return {body}"])


def _parameter(arg: Arg) -> str:
    return arg.name if arg.default is REQUIRED else f"{arg.name}={literal(arg.default)}"


def _comment(words: str, prefix: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)


def _network(root: Call, rows: list[RowCost]) -> str:
    """The rows of the network, above each what it does, puts out and costs."""
    opening = f'def {NAME}() -> nn.Module:\n    """Above each row: what it does, its output, parameters and MACs."""'
    if not rows or root.function != "nn.Sequential":
        return f"{opening}\n    return {render(root, 4, WIDTH - len('    return '))}"
    numbered = [row.name for row in rows] == [str(i) for i in range(len(rows))]
    lines = [opening, f"    return nn.Sequential({'' if numbered else 'OrderedDict({'}"]
    for arg, row in zip(root.args, rows, strict=True):
        name = "" if numbered else f'"{arg.name}": '
        lines += [*_comment(_row(arg.value.module, row), "        # ")]
        lines.append(f"        {name}{render(arg.value, 8, WIDTH - 9 - len(name))},")
    return "\n".join([*lines, f"    {'' if numbered else '})'})"])


def _row(module: nn.Module, row: RowCost) -> str:
    """`conv 3x3/2: 112x112x32, 928 params, 10.8M MACs`."""
    said = [format_size(row.output), *([f"{format_count(row.cost.params)} params"] if row.cost.params else [])]
    said += [f"{format_count(row.cost.macs)} MACs"] if row.cost.macs else []
    words: Any = describe(module)
    return f"{words}: {', '.join(said)}" if words else ", ".join(said)


_READ = '''
def read(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of one that `torch.save` wrote of tensors by their names."""
    path = Path(path)
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    content = path.read_bytes()  # 8 bytes: the length of a JSON header, which says where in the rest each tensor is
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            data = bytearray(content[start + first : start + last])
            tensors[name] = torch.frombuffer(data, dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return tensors
'''

_CHECK = '''
def check(weights: Path | None) -> None:
    """Build the network, load weights, and see that both are as they should be."""
    model = network()
    if weights:
        model.load_state_dict(read(weights))
    model.eval()
    with torch.no_grad():
        logits = model(torch.zeros(1, CHANNELS, IMAGE_SIZE, IMAGE_SIZE))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == PARAMETERS, f"{parameters} parameters rather than {PARAMETERS}"
    assert logits.shape == (1, NUM_CLASSES), f"logits of shape {tuple(logits.shape)}"
    assert logits.isfinite().all(), "logits that are not finite"
    print(f"{parameters:,} parameters, {weights or 'untrained'}: logits {tuple(logits.shape)}, all finite")
'''

_CHECKING = (
    _CHECK
    + """

def main() -> None:
    parser = argparse.ArgumentParser(description="Build the network, load weights, and check both.")
    parser.add_argument("--weights", type=Path, help="a .safetensors or .pt file of tensors by their names")
    check(parser.parse_args().weights)


if __name__ == "__main__":
    main()
"""
)

_CLASSIFYING = (
    _CHECK
    + "\n"
    + SAY
    + """

def main() -> None:
    parser = argparse.ArgumentParser(description="Say what is on photographs; without any, check the network.")
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("--weights", type=Path, help="a .safetensors or .pt file of tensors by their names")
    parser.add_argument("--top", type=int, default=3, help="so many classes, the likeliest first")
    options = parser.parse_args()
    if not options.photos:
        return check(options.weights)
    need({"numpy": "numpy", "PIL": "pillow"})
    weights = options.weights or WEIGHTS
    if not weights.is_file():
        sys.exit(f"there are no weights {weights}: --weights FILE says where they are")
    say(partial(predict, model=trained(weights)), TASK, options.photos, options.top)


if __name__ == "__main__":
    main()
"""
)
