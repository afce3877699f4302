"""Costs by the user's own command: what it may be, what it may print, and what it does when all goes wrong."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from nas.devices.command import CostCommand, Unmeasured

ONE = {"onnx": Path("network.onnx")}


def prints(line: str, costs: str = "latency") -> CostCommand:
    return CostCommand.parse(f"{costs}=: {{onnx}}; printf '%s\\n' '{line}'", timeout=10, attempts=1)


# ---------------------------------------------------------------------------- what is written


def test_a_command() -> None:
    command = CostCommand.parse(" latency , energy = ssh pi ./bench {onnx} --like {pt2} {onnx} ")
    assert command == CostCommand(("latency", "energy"), "ssh pi ./bench {onnx} --like {pt2} {onnx}", 120, 3)
    assert command.formats == ("onnx", "pt2")
    assert str(command) == "latency,energy=ssh pi ./bench {onnx} --like {pt2} {onnx}"
    assert CostCommand.parse(str(command)) == pickle.loads(pickle.dumps(command)) == command


def test_paths_are_words_of_the_shell() -> None:
    command = CostCommand.parse("latency=./bench {onnx} {{onnx}} ${HOME} -I{} '{print $1}' {a,b} | awk '{{NF}}'")
    filled = command.filled({"onnx": Path("it's; rm -rf x/$(y).onnx")})
    assert filled == """./bench 'it'"'"'s; rm -rf x/$(y).onnx' {onnx} ${HOME} -I{} '{print $1}' {a,b} | awk '{NF}'"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency", "is the name of a cost and the command that measures it, as latency='ssh pi"),
        ("", "is the name of a cost and the command"),
        ("latency=", "is the name of a cost and the command"),
        ("latency=./bench", r"takes no network: write \{onnx\}, \{pt2\}, .* or \{tflite\} where its file belongs"),
        ("latency=./bench {{onnx}} ${onnx}", "takes no network"),
        (
            "latency=./bench {onx}",
            r"\{onx\} is not \{onnx\}, .*; braces that are the command's own are doubled: \{\{onx",
        ),
        ("=./bench {onnx}", "name each cost once before the ="),
        ("latency,latency=./bench {onnx}", "name each cost once"),
        ("./bench {onnx} --threads=1", "or one of your own in small letters, as in power; not '.*bench"),
        ("Latency=./bench {onnx}", "or one of your own in small letters, as in power; not 'Latency'"),
        ("macs=./bench {onnx}", "macs is counted of every network"),
        ("latency,params=./bench {onnx}", "params is counted of every network"),
        ("accuracy=./bench {onnx}", "or one of your own in small letters, as in power; not .accuracy"),
    ],
)
def test_what_is_no_command_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        CostCommand.parse(text)
    assert "\n" not in str(error.value) and str(error.value).startswith("--cost-command")


def test_its_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="--cost-command latency: the timeout must be above 0"):
        CostCommand.parse("latency=./bench {onnx}", timeout=0)
    with pytest.raises(ValueError, match="--cost-command latency: the number of attempts must be"):
        CostCommand.parse("latency=./bench {onnx}", attempts=0)


# ---------------------------------------------------------------------------- what it prints


@pytest.mark.parametrize(
    ("cost", "line", "figure"),
    [
        ("latency", "0.0032", 0.0032),
        ("latency", "3.2e-3", 0.0032),
        ("latency", "3.2ms", 0.0032),
        ("latency", " 850 us ", 850e-6),
        ("latency", '{"latency": "3.2ms", "more": [1]}', 0.0032),
        ("memory", "64kB", 64_000),
        ("memory", "64KiB", 65_536),
        ("flash", "81920", 81_920),
        ("flash", "0", 0),
        ("energy", "1.3mJ", 0.0013),
        ("my-own", "42", 42),
    ],
)
def test_figures(cost: str, line: str, figure: float) -> None:
    assert prints(line, cost).measure(ONE) == {cost: pytest.approx(figure)}


def test_the_last_line_counts() -> None:
    command = CostCommand.parse("latency=echo 7; echo warming up {onnx} >&2; echo 'run 1: 9'; echo 0.5; echo")
    assert command.measure(ONE) == {"latency": 0.5}


def test_several_costs() -> None:
    line = '{"energy": 2, "latency": "5ms", "temperature": 40}'
    assert prints(line, "latency,energy").measure(ONE) == {"latency": 0.005, "energy": 2.0}


@pytest.mark.parametrize(
    ("costs", "line", "said"),
    [
        ("latency", "", "it printed nothing"),
        ("latency", "latency: 3.2 ms", "latency must be a number of seconds, or 3.2ms, not latency: 3.2 ms"),
        ("latency", "64kB", "latency must be a number of seconds"),
        ("latency", "2026_11_28", "latency must be a number"),
        ("my-own", "3ms", "my-own must be a number, not 3ms"),
        ("latency", "nan", "latency must be finite and above 0, not nan"),
        ("latency", "-Infinity", "latency must be finite and above 0"),
        ("latency", "1e999", "latency must be finite and above 0"),
        ("latency", "-0.5", "latency must be finite and above 0, not -0.5"),
        ("latency", "0", "latency must be finite and above 0, not 0"),
        ("latency", "0ms", "latency must be finite and above 0"),
        ("energy", "-1", "energy must be finite and of at least 0, not -1"),
        ("latency,energy", "3", 'must be a JSON object such as {"latency": 0.5, "energy": 0.5}, not 3'),
        ("latency,energy", '{"latency": 1', "must be a JSON object such as"),
        ("latency", "{" * 10_000, "must be a JSON object such as"),
        ("latency,energy,mine", '{"latency": 1}', 'does not say energy and mine: {"latency": 1}'),
        ("latency", '{"latency": true}', "latency must be a number of seconds, or 3.2ms, not True"),
        ("latency", '{"latency": null}', "latency must be a number"),
        ("latency", '{"latency": NaN}', "latency must be finite"),
        ("mine", '{"mine": 1' + "0" * 400 + "}", "mine must be a number"),
        ("latency", "\x1b[31mhot", r"not \x1b[31mhot"),
        ("latency", "x" * 70_000, "the last line that it printed is too long"),
    ],
)
def test_what_is_no_figure_is_none(costs: str, line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "line").write_text(line, "utf-8")
    command = CostCommand.parse(f"{costs}=: {{onnx}}; cat {tmp_path}/line", attempts=1)
    with pytest.raises(Unmeasured) as error:
        command.measure(ONE)
    assert said in str(error.value) and len(str(error.value)) < 500 and str(error.value).isprintable()


# ---------------------------------------------------------------------------- when it fails


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo 3; echo 'it is hot' >&2; exit 4", "it ended with code 4: it is hot"),
        ("echo 3; false", "it ended with code 1"),
        ("kill -9 $$", "signal 9 ended it"),
        ("no-such-program", "it ended with code 127: .*not found"),
        ("sleep 20", "it had not ended after 1.4s"),
        ("yes", "it had not ended after 1.4s"),
    ],
)
def test_failures_are_a_line(command: str, said: str) -> None:
    with pytest.raises(Unmeasured, match=f"the command that measures latency failed: {said}"):
        CostCommand.parse(f"latency=: {{onnx}}; {command}", timeout=1.4, attempts=1).measure(ONE)


def test_it_is_tried_again(tmp_path: Path) -> None:
    count = f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) -ge 3"
    pauses: list[float] = []
    assert CostCommand.parse(f"latency=: {{onnx}}; {count} && echo 5").measure(ONE, pauses.append) == {"latency": 5}
    assert pauses == [1, 2]


def test_but_not_for_ever() -> None:
    pauses: list[float] = []
    with pytest.raises(Unmeasured, match="latency and energy failed 3 times, the last time: it ended with code 1"):
        CostCommand.parse("latency,energy=false {onnx}").measure(ONE, pauses.append)
    assert pauses == [1, 2]


def test_a_path_with_spaces_arrives(tmp_path: Path) -> None:
    file = tmp_path / "it's a $network.onnx"
    file.write_bytes(b"12345")
    assert CostCommand.parse("flash=wc -c < {onnx}").measure({"onnx": file}) == {"flash": 5}


def test_it_needs_no_torch() -> None:
    """The command line reads it before it loads anything."""
    import subprocess

    code = "import nas.devices.command, nas.devices.remote, sys; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
