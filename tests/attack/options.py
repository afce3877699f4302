"""What a person may type: every option of every command, and every argument from Python, with nonsense for a value.

Commands and options are read off the program itself, arguments off the functions' signatures: a new one is attacked
with the next run. Each must be refused in one line, at once and with nothing made, or do what the value means. A value
that is right and only makes for long work has passed when the plan is printed, which comes before the work.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.attack.guard import Ended, guarded
from tests.attack.outcome import Outcome

NUMBERS = (
    "0", "-1", "-0.0", "nan", "inf", "-inf", "1e999", "1e20", "1e308", "1e-320", "1000000", "1000000000",
    str(2**31), str(2**63), str(2**70), "9" * 5_000, "0.5", "100000", "16384", "\u0663", "\uff11\uff12", "0x10",
    "1_000", "1,000",
    "10M", "-5M", "5ms", "1e9d", "nanM", "..", "1.2.3", "1T", "0-0", "0..7", "7..0", "0..1000000000",
)  # fmt: skip
WORDS = (
    "", " ", "\n", "what?", "a,a", ",", "=", "a=b", "=1", "\x1b[31mred", "x" * 5_000, "../../x", "none", "null",
    "[1,2]", "{}", "true", "@", ":", "5 parsecs", "-", "--", "é\u202e", "\ud800", "a\\b", "random,random", "*", "~",
    "[[[[",
)  # fmt: skip
PATHS = (
    "folder", "missing", "missing/missing", "unreadable", "fifo", "/dev/zero", "/dev/full", "/dev/null", "empty",
    "noise", "noise/x", "/", ".", "..", "fifo.json", "noise.json", "noise.png", "folder.svg", "empty.safetensors",
    "noise.onnx", "noise.csv", "fifo.csv", "folder:fifo", "folder:noise", "folder:missing", "folder:/dev", "folder:",
    "array:fifo", "array:noise", "array:missing", "array:/dev/zero", "array:", "nothing:at_all",
)  # fmt: skip
NETWORKS = (
    "resnet99999998", "resnet9", "resnet0", "resnet" + "9" * 5_000, "wrn9999994-1", "wrn16-100000", "wrn16-0",
    "densenet_1000003_12", "densenet_40_1000000000", "densenet_bc_100_0", "vit_b_1", "vit_b_100000", "vit_b_0",
    "preact_resnet900000002", "stochastic_depth_resnet99999998", "resnext29_100000x100000d", "resnext29_0x0d",
    "resnest99999_2s1x64d", "resnest50_99999s1x64d", "resnest50_0s0x0d", "mobilenet_v2@100", "mobilenet_v2@nan",
    "mobilenet_v2@1e-9", "resnet20@1x100-32", "resnet50@100x100-9999999", "efficientnet_b7@100x100-16384", "vgg16@100",
    "resnet20@-1", "resnet20@1x", "resnet20+zero_init+zero_init", "resnet\u0663", "lenet5-0", "resnet18-99999999999",
    "mnas@1e9:a", "mnas@nan:a", "mnas@num_classes=1000000000,max_macs=8M:a", "nasnet@blocks=1000000:a",
    "nasnet@n=1000000000:a", "nasnet@filters=1000000000:a", "chain@layers=1000000000:a",
    "chain@layers=1,pooling=0:h3_w3_f24",
    "chain@layers=1,pooling=0,image_size=1000000000:h3_w3_f24", "nasbench201@cells=1000000000:a",
    "compact@max_macs=nan:a",
    "one:best", "one:99999999999999999999", "one:-1", "one:top5", "one:top999999999", "one:\u0663",
    "one:best@100x100-99999",
    "one:best@1x1-0", "nope:best", ":best", "one:", "trained", "os:system:x", "mnas:" + "," * 10_000,
)  # fmt: skip
SETTINGS = (
    "epochs", "seconds", "subset", "image_size", "batch_size", "optimizer", "schedule", "lr", "warmup", "momentum",
    "weight_decay", "label_smoothing", "cutout", "min_area", "policy", "mixup", "bf16", "layers", "pooling",
    "width", "image_size", "max_macs", "num_classes", "blocks", "n", "filters", "ops", "cells", "drop_path", "batch",
    "entropy", "hidden", "population", "sample", "clip", "nope", "",
)  # fmt: skip
OBJECTS: tuple[Any, ...] = (
    None, True, 0, -1, 10**6, 10**9, 2**63, 2**70, 10**400, 0.5, -0.0, math.nan, math.inf, 1e308, 1e-320, b"x", [],
    ["a", "a"], ["", None], (), {}, {"a": 1}, {1: 2}, {"epochs": math.nan}, {"layers": 10**9}, {"blocks": 10**6}, set(),
    object(),
    Path("folder"), Path("missing"), 1j, range(3), print,
)  # fmt: skip
FIFOS = ("fifo", "fifo.json", "fifo.csv")
NO_NUMBER = re.compile(r"[+-]?(nan|inf(inity)?|1e999)", re.IGNORECASE)

BEGUN = re.compile(r"^results  |is at http", re.MULTILINE)
LONGEST = 1_000  # characters of a message


@dataclass(frozen=True)
class Call:
    """A command that works and is over at once, or a function with arguments like that."""

    name: str
    usual: Sequence[str] = ()
    arguments: dict[str, Any] = field(default_factory=dict)


PICTURES = ("--data", "folder:pictures", "--image-size", "16", "--batch-size", "4")
SMALL = ("--space", "chain", "--space-set", "layers=1,pooling=0", "--width", "0.1")
LOOKED_UP = ("--space", "chain", "--space-set", "layers=1,pooling=0")
COMMANDS: tuple[Call, ...] = (
    Call("search", (*PICTURES, *SMALL, "--trials", "1", "--subset", "8")),
    Call("search", (*LOOKED_UP, "--evaluator", "table", "--table", "table.csv", "--trials", "2", "--data", "shapes")),
    Call("resume", ("one",)),
    Call("runs"),
    Call("top", ("one",)),
    Call("report", ("one",)),
    Call("dashboard", ("missing",)),
    Call("train", ("resnet8@0.1", *PICTURES, "--epochs", "1")),
    Call("compare", ("resnet8@0.1", "resnet8@0.2", *PICTURES, "--epochs", "1", "--seeds", "1")),
    Call("scale", ("--base", "resnet8@0.1", "--phi", "1", "--no-time")),
    Call(
        "scale",
        ("--search", "--base", "resnet8@0.1", *PICTURES, "--epochs", "1", "--triples", "1", "--seeds", "1"),
    ),
    Call("predict", ("trained", "pictures/a")),
    Call("export", ("resnet8@0.1", "--untrained", "--to", "state_dict")),
    Call("show", ("resnet8",)),
    Call("bench", (*LOOKED_UP, "--table", "table.csv", "--seeds", "1", "--evaluations", "2", "--jobs", "1")),
    Call("proxy-study", (*PICTURES, *SMALL, "--networks", "3", "--full", "16", "--seeds", "1")),
    Call("baselines"),
    Call("baselines show", ("resnet8",)),
)
"""What is changed by one option. A command that is not here has its options alone."""

PICTURES_HERE = {"data": "folder:pictures", "image_size": 16, "batch_size": 4, "epochs": 1}
CHAIN = {"space": "chain", "settings": {"layers": 1, "pooling": 0}}
FUNCTIONS: tuple[Call, ...] = (
    Call("search", arguments=PICTURES_HERE | CHAIN | {"width": 0.1, "trials": 1, "subset": 8}),
    Call("search", arguments=CHAIN | {"table": "table.csv", "data": "shapes", "trials": 2}),
    Call("train", arguments=PICTURES_HERE | {"network": "resnet8@0.1"}),
    Call("compare", arguments=PICTURES_HERE | {"networks": ["resnet8@0.1", "resnet8@0.2"], "seeds": 1}),
    Call("export", arguments={"network": "resnet8@0.1", "untrained": True, "to": "state_dict"}),
    Call("predict", arguments={"network": "trained", "images": "pictures/a"}),
    Call("open", arguments={"run": "one"}),
    Call("load", arguments={"target": "one:best"}),
    Call("Run.resume"),
    Call("Run.top", arguments={"count": 1}),
    Call("Blueprint.build"),
)


@dataclass(frozen=True)
class Option:
    """One of a command's; what is given without a name is an argument."""

    command: str
    name: str
    spelling: str  # "" of an argument
    is_flag: bool


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """On the command line, and from Python."""
    world = _world(folder)
    lines, calls = Outcome("options", "the command line"), Outcome("options", "Python")
    for number in range(tries):
        random = Random(f"{seed}:{number}")
        attacked = lines if random.random() < 0.7 else calls
        attacked.tries += 1
        place = _copy(world, folder / f"{number}")
        (_type if attacked is lines else _call)(random, place, attacked, f"seed {seed}, try {number}")
        shutil.rmtree(place, ignore_errors=True)
        if number % 50 == 49:
            print(f"options: {number + 1} of {tries}", file=sys.stderr)
    yield lines
    yield calls


# ------------------------------------------------------------------ the command line


def options_of_all() -> dict[str, list[Option]]:
    """The options of each command, by its name, as the program declares them."""
    import typer

    from nas.cli import app

    found: dict[str, list[Option]] = {}
    left: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while left:
        name, command = left.pop()
        children = getattr(command, "commands", {})
        left += [(f"{name} {child}".strip(), children[child]) for child in children]
        own = [Option(name, p.name, "" if _is_argument(p) else p.opts[0], _is_flag(p)) for p in command.params]
        if name and own:
            found[name] = own
    return dict(sorted(found.items()))


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _is_flag(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))


def _type(random: Random, place: Path, outcome: Outcome, how: str) -> None:
    """Type a command with one option, at times two, set to what a person would not mean."""
    options = options_of_all()
    name = random.choice(sorted(options))
    bases = [call for call in COMMANDS if call.name == name] or [Call(name)]
    line = [*random.choice(bases).usual]
    for option in random.sample(options[name], min(len(options[name]), random.choice((1, 1, 1, 2)))):
        value = "" if option.is_flag else _word(random, option)
        line = _with(line, option, value)
    words = [*name.split(), *line]
    ended = _nas(words, place)
    said = f"{how}: nas {' '.join(_shown(word) for word in words)}"
    for kind, what in _faults(ended, place):
        outcome.blame(kind, f"{said}: {what}")
    if ended.how in ("exit", "began") and not ended.code and not option.is_flag and NO_NUMBER.fullmatch(value):
        word = _nas([*name.split(), *_with(line, option, "what?")], _copy_again(place))
        if word.code == 2:  # no text, then: a number, and this one is none
            outcome.blame("silent", f"{said}: it was taken")


def _with(line: Sequence[str], option: Option, value: str) -> list[str]:
    """`line` with `option` in place of what it has there."""
    if option.is_flag:
        return [*line, option.spelling]
    if option.spelling:
        if option.spelling in line:
            at = line.index(option.spelling)
            line = [*line[:at], *line[at + 2 :]]
        return [*line, f"{option.spelling}={value}"]
    return ["--", value] if not line or line[0].startswith("-") else [*line[1:], "--", value]


def _word(random: Random, option: Option) -> str:
    """A value for `option`: mostly one that is near to what it takes, and is none."""
    pools = [NUMBERS, WORDS, PATHS]
    if not option.spelling or option.name in ("base", "baselines", "report", "from_run", "name"):
        pools += [NETWORKS] * 3
    if option.spelling.endswith("set"):
        return f"{random.choice(SETTINGS)}={random.choice(random.choice(pools))}"
    return random.choice(random.choice(pools))


def _nas(words: Sequence[str], place: Path) -> Ended:
    def call() -> int:
        from nas.cli import main

        sys.argv = ["nas", *words]
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        return 0

    return guarded(call, place, lambda out: bool(BEGUN.search(out)))


def _shown(word: str) -> str:
    return ascii(word if len(word) < 100 else f"{word[:40]}...{len(word)} characters")


# ------------------------------------------------------------------ Python


def _function(name: str) -> Callable[..., Any]:
    import nas

    owner, _, method = name.rpartition(".")
    return getattr(getattr(nas, owner) if owner else nas, method)


def _call(random: Random, place: Path, outcome: Outcome, how: str) -> None:
    """Call a function with one argument that is not what it says."""
    import nas

    known = {call.name for call in FUNCTIONS}
    others = [name for name in nas.__all__ if name[0].islower() and name not in known]
    base = random.choice([*FUNCTIONS, *map(Call, others)])
    names = [name for name in inspect.signature(_function(base.name)).parameters if name != "self"]
    name = random.choice(names)
    value = random.choice(random.choice((OBJECTS, OBJECTS, NUMBERS, WORDS, PATHS, NETWORKS)))
    arguments = base.arguments | {name: value}
    if base.name == "Run.resume" or "progress" in names:
        arguments = {"progress": "lines"} | arguments

    def call() -> int:
        function = _function(base.name)
        owner = base.name.rpartition(".")[0]
        found = {"Run": lambda: nas.open("one"), "Blueprint": lambda: nas.load("one:best")}.get(owner)
        before = [found()] if found else []
        try:
            function(*before, **arguments)
        except ValueError as error:
            print(f"nas: {' '.join(str(error).split())}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"nas: {error}", file=sys.stderr)
            return 2
        return 0

    ended = guarded(call, place, lambda out: bool(BEGUN.search(out)))
    said = f"{how}: nas.{base.name}(..., {name}={_shown(repr(value))})"
    for kind, what in _faults(ended, place):
        outcome.blame(kind, f"{said}: {what}")
    if ended.how in ("exit", "began") and not ended.code and isinstance(value, float) and not math.isfinite(value):
        outcome.blame("silent", f"{said}: it was taken")


# ------------------------------------------------------------------ what came of it


def _faults(ended: Ended, place: Path) -> Iterator[tuple[Any, str]]:
    """The kinds of faults in how a command ended, each with words."""
    last = ended.err.strip().rpartition("\n")[2]
    if ended.how == "time":
        yield "hang", f"no end after {ended.seconds:.0f} s"
    elif ended.how == "memory":
        yield "crash", "it took gigabytes"
    elif ended.how == "signal":
        yield "crash", f"signal {ended.code}"
    elif "Traceback (most recent call last)" in ended.err or (ended.how == "exit" and ended.code not in (0, 1, 2)):
        yield "traceback", last[:300]
    elif ended.code == 2 and ended.how == "exit":
        if not last.startswith("nas: ") or len(last) > LONGEST:
            yield "traceback", f"no line says why: {last[:300]!r}"
        if left := sorted(_files(place) - _files_before(place)):
            yield "lost", f"refused, and left {', '.join(left[:3])}: {last[:200]}"


def _files(place: Path) -> set[str]:
    return {
        str(Path(top).relative_to(place) / name)
        for top, folders, files in os.walk(place)
        for name in [*folders, *files]
    }


def _files_before(place: Path) -> set[str]:
    return _files(place.parent / "world") | set(FIFOS)


# ------------------------------------------------------------------ the world


def _world(folder: Path) -> Path:
    """A folder with a run, a training, pictures and a table, and things that are none of these."""
    import torch
    from PIL import Image

    from searchspaces import get_space

    torch.set_num_threads(1)  # a pool of threads would not be there after a fork
    world = folder / "world"
    random = Random(0)
    for name in "ab":
        (world / "pictures" / name).mkdir(parents=True)
        for number in range(14):
            pixels = bytes(random.randrange(100) + 100 * (name == "b") for _ in range(16 * 16 * 3))
            Image.frombytes("RGB", (16, 16), pixels).save(world / "pictures" / name / f"{number}.png")
    space = get_space("chain", layers=1, pooling=0)
    archs = [(h, w, f) for h in range(4) for w in range(4) for f in range(4)]
    lines = [f"{space.format(arch)},{50 + sum(arch)},{50 + sum(arch)},1000,1000,1" for arch in archs]
    (world / "table.csv").write_text("\n".join(["architecture,observed,reported,params,macs,seconds", *lines]))
    (world / "folder").mkdir()
    (world / "folder.svg").mkdir()
    for name in ("noise", "noise.json", "noise.png", "noise.onnx", "noise.csv"):
        (world / name).write_bytes(random.randbytes(1_000))
    for name in ("empty", "empty.safetensors", "unreadable"):
        (world / name).touch()
    (world / "unreadable").chmod(0)
    os.environ |= {"HOME": str(world), "NAS_DATA": str(world / "folder"), "XDG_CACHE_HOME": str(folder / "cache")}
    os.environ |= {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}  # nothing is downloaded
    made = (
        ("search", *COMMANDS[0].usual, "--name", "one"),
        ("train", "resnet8@0.1", *PICTURES, "--epochs", "1", "--out", "trained"),
    )
    for words in made:
        ended = guarded(lambda words=words: _run(words), world)  # type: ignore[misc]
        assert ended.how == "exit" and not ended.code, ended
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder / "cache")
    return world


def _run(words: Sequence[str]) -> int:
    from nas.cli import main

    sys.argv = ["nas", *words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _copy(world: Path, place: Path) -> Path:
    shutil.copytree(world, place, symlinks=True)
    for name in FIFOS:
        os.mkfifo(place / name)
    return place


def _copy_again(place: Path) -> Path:
    shutil.rmtree(place)
    return _copy(place.parent / "world", place)
