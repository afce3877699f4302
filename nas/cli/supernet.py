"""`nas supernet`."""

from __future__ import annotations

from nas import api
from nas.cli import common
from nas.options.commands import SupernetOptions


def supernet(asked: SupernetOptions) -> None:
    """Train one network that holds the weights of all networks of a space, and say how far it orders them rightly.

    With it, nas search judges a network in seconds. The same command goes on with a training that was stopped.
    """
    common.load_torch()
    trained = api.supernet.of(asked)
    if asked.as_json:
        common.print_json(trained.to_dict())
    else:
        common.to_stdout(trained.in_words)
