"""What several commands do with their options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.data.images import Dataset, Images
    from nas.train import Recipe


def make_recipe(
    epochs: int, subset: str, resolution: int | None, batch_size: int, lr: float, others: list[str]
) -> Recipe:
    from nas.train import Recipe
    from nas.units import parse_count

    images = None if subset == "all" else int(parse_count(subset))
    recipe = Recipe(epochs=epochs, subset=images, resolution=resolution, batch_size=batch_size, lr=lr)
    return recipe.changed(others)


def load_data(data: str, data_dir: Path | str | None, image_size: int | None, skip_unreadable: bool) -> Dataset:
    from nas.data import load

    return load(data, data_dir, image_size=image_size, skip_unreadable=skip_unreadable, log=to_stderr)


def search_data(
    data: str,
    data_dir: Path | str | None,
    image_size: int | None,
    skip_unreadable: bool,
    table: Path | str | None,
) -> Dataset:
    """What a search needs of the data set: with a table of published results no images."""
    from nas.data import without_images

    return load_data(data, data_dir, image_size, skip_unreadable) if table is None else without_images(data)


def load_test_data(data: str, data_dir: Path | str | None, image_size: int | None, skip_unreadable: bool) -> Images:
    from nas.data import load_test

    return load_test(data, data_dir, image_size=image_size, skip_unreadable=skip_unreadable, log=to_stderr)


def say(as_json: bool) -> Any:
    """Where words for people go: with --json, standard output is for the program that reads it."""
    return to_stderr if as_json else lambda text: print(text, flush=True)


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2))
