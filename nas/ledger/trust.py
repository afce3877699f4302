"""Spaces that a file names: importing one runs its code, so that only happens where a person named it, too.

`mypackage.module:MySpace` is text in a run's `config.json` and in a network's `.json`, and whoever wrote the file chose
it. Such a name is taken for what is imported already, and never imports anything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from nas.ledger.workload import EXPERIMENTS, MOVED
from searchspaces import SPACES, Space, get_space, space_class

AROUND = "around"


def space_of_person(name: str, /, **settings: Any) -> Space:
    """As `get_space`: a person named the space, and one of their own may be in the current folder."""
    look_here_too(name)
    name, given = around(name)
    return get_space(name, **{**given, **settings})


def class_of_person(name: str) -> type[Space]:
    """As `space_class`, likewise."""
    look_here_too(name)
    return space_class(around(name)[0])


def around(name: str, runs_dir: str | Path = "runs") -> tuple[str, dict[str, Any]]:
    """The space's own name, and the settings that `name` says: `around:resnet20` has the network in it.

    Raises ValueError where there is no such network.
    """
    if name.partition(":")[0] != AROUND:
        return name, {}
    from nas.references.around import named  # of a floor above: what it registers is a space from then on

    network = name.partition(":")[2]
    return AROUND, {"network": named(network, runs_dir)} if network else {}


def space_of_file(name: Any, /, **settings: Any) -> Space:
    """As `get_space`: a file named the space. Raises ValueError where it would have to be imported."""
    name = MOVED.get(name, name) if isinstance(name, str) else name
    if isinstance(name, str) and is_own(name) and not _is_imported(name):
        if not re.fullmatch(r"[\w.]+:\w+", name):
            raise ValueError(f"{name!r} is no name of a space")
        raise _untrusted("space", name)
    if name == AROUND:
        around(name)
        network = settings.get("network")
        if isinstance(network, str) and is_code(network) and not _is_imported(network):
            raise _untrusted("network", network)
    return get_space(name, **settings)


def _untrusted(what: str, name: str) -> ValueError:
    return ValueError(
        f"the {what} {name} is named by a file, and importing it runs its code: where you trust that code, add "
        f"--trust-space {name}"
    )


def trust(names: Iterable[str]) -> None:
    """Import the modules of spaces, `mypackage.module:MySpace`, whose names a person gave, or `mypackage.module`.

    Raises ValueError where there is none.
    """
    for name in names:
        module, colon, attribute = name.partition(":")
        look_here_too(f"{module}:")
        if colon:
            try:
                space_class(name)
            except ValueError:
                if not callable(getattr(sys.modules.get(module), attribute, None)):  # as what builds a network is
                    raise
            continue
        try:
            import_module(module)
        except (ImportError, TypeError, ValueError) as error:  # "..", ""
            raise ValueError(f"cannot import {name!r} of --trust-space: {error}") from None


def is_own(name: str) -> bool:
    """Whether the space of that name is a person's own, and none of ours."""
    return ":" in name and name not in EXPERIMENTS


def is_code(network: str) -> bool:
    """Whether a network's text names what builds it, `mypackage.module:build`, and is no text of a space's."""
    module = network.partition(":")[0]
    return bool(re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", network)) and module not in SPACES


def _is_imported(name: str) -> bool:
    module, _, attribute = name.partition(":")
    return module in sys.modules and attribute in vars(sys.modules[module])


def look_here_too(name: str) -> None:
    """Have modules of the current folder imported as well, once a person names a space of their own."""
    here = str(Path.cwd())
    if ":" in name and here not in sys.path:
        sys.path.append(here)
