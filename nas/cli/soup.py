"""`nas soup`."""

from __future__ import annotations

from nas import api
from nas.cli import common
from nas.options.commands import SoupOptions


def soup(asked: SoupOptions) -> None:
    """Mix the weights of several trainings of one network into one, which costs no more than one.

    Trainings mix that began with the same weights; with --members they are made. What is written is the folder of a
    training: nas predict, nas export, nas compare and nas train --init take it. Different networks: nas fuse.
    """
    common.load_torch()
    from nas.soups.report import in_words
    from nas.soups.results import Soup

    mixed = api.soup.of(asked)
    if asked.as_json:
        common.print_json(mixed.result)
        return
    common.to_stdout(f"{in_words(Soup.from_dict(mixed.result['soup']))}\nwrote {mixed.path}/")
