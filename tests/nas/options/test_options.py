"""An option is declared once: the command line, the functions, their help and their checks come from there."""

from __future__ import annotations

import inspect
import math
import os
import typing
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

import nas
import nas.cli
from nas.checks.limits import COUNT
from nas.cli.command import command
from nas.cli.proxy_study import ProxyStudyOptions
from nas.cli.scale import GridOptions
from nas.options import commands, groups, panels
from nas.options.option import Option, Options, defaults_of, options_of, takes
from nas.options.table import arguments_table, options_table
from nas.training.recipe import Recipe
from tests.attack.options import options_of_all

FUNCTIONS: dict[str, type[Options]] = {
    "search": commands.SearchOptions,
    "train": commands.TrainOptions,
    "compare": commands.CompareOptions,
    "predict": commands.PredictOptions,
    "fuse": commands.FuseOptions,
    "soup": commands.SoupOptions,
    "export": commands.ExportOptions,
    "look": commands.LookOptions,
    "latency_table": commands.LatencyTableOptions,
    "open": commands.OpenOptions,
    "load": commands.LoadOptions,
    "backbone": commands.BackboneOptions,
}


def every() -> dict[str, type[Options]]:
    """All groups and commands that there are."""
    found, left = {}, [Options]
    while left:
        group = left.pop()
        if group.__module__.startswith("nas."):
            found[f"{group.__module__}.{group.__name__}"] = group
        left += group.__subclasses__()
    return dict(sorted(found.items()))


OF = {pair: group for group in every().values() for pair in ((n, o.spelled(n)) for n, o in options_of(group).items())}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_what_is_declared(name: str) -> None:
    function, options = getattr(nas, name), FUNCTIONS[name]
    assert list(inspect.signature(function).parameters) == [*dict.fromkeys([*_placed(options), *options_of(options)])]
    for argument, option in options_of(options).items():
        assert f"    {argument}: {option.help.rstrip('.')}" in function.__doc__
    assert "Args:\n" in function.__doc__ and "Raises:\n    ValueError" in function.__doc__


def _placed(options: type[Options]) -> list[str]:
    parameters = inspect.signature(options).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("group", every())
def test_defaults_are_what_they_may_be(group: str) -> None:
    options = options_of(every()[group])
    for name, value in defaults_of(every()[group]).items():
        options[name].kind.checked(options[name].spelled(name), value)


@pytest.mark.parametrize(("name", "spelled"), sorted(OF))
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, b"x", object(), 10**400, [None]], ids=lambda value: type(value).__name__
)
def test_nothing_takes_nonsense(name: str, spelled: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        options_of(OF[name, spelled])[name].kind.checked(spelled, value)
    assert spelled in str(caught.value) and len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_a_mistake_is_called_as_it_is_typed() -> None:
    with pytest.raises(ValueError, match="recipe must be values by their names"):
        groups.StepOptions(recipe=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the network must be a text"):
        commands.TrainOptions(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on_trial must be a function, not 3"):
        nas.search(on_trial=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        nas.search(epoch=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("option", ["table", "storage_file", "network"])
def test_a_pipe_or_a_device_is_no_file(option: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    made = {
        "table": lambda path: groups.StrategyOptions(table=path),
        "storage_file": lambda path: groups.StartOptions(init=path),
        "network": commands.TrainOptions,
    }[option]
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(ValueError, match="is a device or a pipe"):
            made(str(path))


# ---------------------------------------------------------------------------- one edit

Sharpness = Annotated[
    int, Option(COUNT, "How sharp a picture is.", panels.TRAINING, python="In Python, too.", usual="as it was")
]


def test_a_new_option_needs_one_edit() -> None:
    """A field of a group: it is on the command line, in Python, in both helps, checked, and where it is used."""
    training = make_dataclass(
        "Training", [("sharpness", Sharpness, 3)], bases=(groups.TrainingOptions,), frozen=True, kw_only=True
    )
    sharp = dataclass(frozen=True, kw_only=True)(type("Sharp", (training, groups.OutputOptions), {}))
    reached: list[Any] = []

    @takes(sharp)
    def sharpen(asked: Any) -> Any:
        """Sharpen it.

        Raises:
            ValueError: For a mistake.
        """
        reached.append(asked.sharpness)

    app = typer.Typer()
    app.command()(command(sharp, sharpen.of))
    app(["--sharpness", "7"], standalone_mode=False)
    sharpen(sharpness=9)
    sharpen()
    assert reached == [7, 9, 3]
    with pytest.raises(ValueError, match="--sharpness must be at least 1, not 0"):
        app(["--sharpness", "0"], standalone_mode=False)
    shown = next(parameter for parameter in typer.main.get_command(app).params if parameter.name == "sharpness")
    assert shown.opts == ["--sharpness"] and shown.help == "How sharp a picture is (1 or more)."
    assert "sharpness: How sharp a picture is (1 or more). In Python, too. By default: as it was." in sharpen.__doc__


def test_what_a_recipe_has_by_an_options_name_is_that_options() -> None:
    from nas.searching.choices import choose_recipe

    asked = groups.TrainingOptions(epochs=3, lr=0.1, subset="2k", recipe={"cutout": "4", "momentum": 0.5})
    assert choose_recipe(asked, 16) == Recipe(epochs=3, lr=0.1, subset=2000, image_size=16, cutout=4, momentum=0.5)
    assert choose_recipe(groups.TrainingOptions(subset="all"), None) == Recipe()


def test_every_command_that_trains_has_the_usual_augmentations() -> None:
    from nas.searching.choices import choose_recipe

    for group in (
        commands.SearchOptions,
        commands.TrainOptions,
        commands.CompareOptions,
        ProxyStudyOptions,
        GridOptions,
    ):
        assert {"flip", "policy", "mixup", "cutmix"} <= set(options_of(group))
    asked = groups.StepOptions(flip=False, policy="randaugment", mixup=0.2, cutmix=1, recipe={"rotation": "15"})
    recipe = choose_recipe(asked, None)
    assert recipe == Recipe(flip=False, policy="randaugment", mixup=0.2, cutmix=1.0, rotation=15)
    assert choose_recipe(groups.StepOptions(), None) == Recipe()


def test_a_command_says_what_was_changed() -> None:
    asked = commands.SearchOptions(epochs=2, recipe={"cutout": 1}, image_size=8, runs_dir="runs")
    assert asked.changed() == ["--image-size", "--set", "--epochs"]
    assert asked.changed("seed", "epochs") == ["--epochs"]


def test_what_is_typed_is_what_python_takes() -> None:
    """By the names in the program; some are spelled otherwise: `--set`, `--space-set`, `--strategy-set`, `--json`."""
    typed = {option.name for option in options_of_all()["search"]} - {"help"}
    assert typed == set(inspect.signature(nas.search).parameters) - {"on_trial"}


def test_every_option_of_a_command_has_a_panel() -> None:
    for group in every().values():
        for name, option in options_of(group).items():
            assert option.by_place or option.panel in panels.ORDER or name in ("on_trial", "accuracy")


def test_types_are_those_of_the_declarations() -> None:
    hints = typing.get_type_hints(commands.SearchOptions)
    assert (hints["epochs"], hints["width"]) == (int, float | None)


# ---------------------------------------------------------------------------- docs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docs_have_a_row_for_each(name: str) -> None:
    options = FUNCTIONS[name]
    arguments, typed = arguments_table(options), options_table(options)
    for argument, option in options_of(options).items():
        assert arguments.count(f"\n| `{argument}` |") == 1
        if option.panel:
            assert typed.count(f"\n| `{option.spelled(argument)}` |") == 1
