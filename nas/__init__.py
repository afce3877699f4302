"""How a network is found: samplers, training, engines, ledger, reports and the command line.

From Python: `nas.search`, `nas.train`, `nas.compare`, `nas.fuse`, `nas.soup`, `nas.predict`, `nas.look`, `nas.export`,
`nas.latency_table`, `nas.supernet`, `nas.open`, `nas.load` and `nas.backbone`; they give `nas.Run`, `nas.Trial`,
`nas.Trained`, `nas.SharedWeights` and `nas.Blueprint`. No module has the name of such a function: it would hide it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api import (
        backbone,
        compare,
        export,
        fuse,
        latency_table,
        load,
        look,
        open,
        predict,
        search,
        soup,
        supernet,
        train,
    )
    from nas.results import Blueprint, Run, SharedWeights, Trained, Trial


__version__ = "0.2.0"  # said here alone: pyproject.toml takes it from this line
__all__ = [
    "Blueprint", "Run", "SharedWeights", "Trained", "Trial", "__version__",
    "backbone", "compare", "export", "fuse", "latency_table", "load", "look", "open", "predict", "search", "soup",
    "supernet", "train",
]  # fmt: skip

_HOMES = {name: "results" if name[0].isupper() else "api" for name in __all__ if name != "__version__"}


def __getattr__(name: str) -> Any:
    """What `nas` offers is imported when it is asked for: `import nas` and `nas --help` need no torch."""
    if name in _HOMES:
        return getattr(import_module(f"nas.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
