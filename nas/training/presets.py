"""Recipes by one name: fields of `nas.training.recipe.Recipe`, and options of the same names, as a person gives them.

What a person gives besides the name wins over it. Nothing heavy is imported here: options are read with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},  # what each command does by itself
    "strong": {
        "epochs": 30,
        "subset": "all",
        "batch_size": 128,
        "lr": 0.1,
        "progressive": 0.5,
    },
}
"""The names are those of `nas.options.names.PRESETS`."""
