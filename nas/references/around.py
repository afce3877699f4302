"""`around:NETWORK`: the space around a network that a person has.

It is named as networks are named elsewhere, `around:resnet20`, `around:mobilenet_v2@0.5`, `around:RUN:best`,
`around:FILE.json`, or by what builds one of their own, `around:mypackage.module:build`: a function or a class of
`nn.Module`, that is given those of `num_classes`, `image_size` and `in_channels` (or `in_chans`) that it takes.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from nas.ledger.run import folder_of
from nas.ledger.trust import is_code, look_here_too
from nas.network import Found
from nas.references.resolve import described, resolve
from searchspaces import register
from searchspaces.around.space import AroundSpace
from searchspaces.images import image_channels

CHANNELS = ("in_channels", "in_chans", "channels")  # what a builder may call those of an image


@register
@dataclass(frozen=True)
class Around(AroundSpace):
    """`network` is a text that says all of it: a baseline's name, an architecture's text, `mypackage.module:build`."""

    name: ClassVar[str] = "around"
    network: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.network:
            raise ValueError("the space around needs a network: around:resnet20, around:RUN:best, around:FILE.json")

    @property
    def reference(self) -> str:
        return self.name

    @property
    def original_text(self) -> str:
        return self.network

    def original(self, num_classes: int, image_size: int) -> nn.Module:
        if is_code(self.network):
            return _built(self.network, num_classes, image_size)
        return described(self.network).build(num_classes, image_size, image_channels())

    def __getstate__(self) -> dict[str, Any]:
        """Without what was found out of the original, and with what predicts latency and completes networks."""
        kept = {*self.__dataclass_fields__, "_predicts", "_completes"}
        return {name: value for name, value in vars(self).items() if name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process of the same search, which has to know the person's code, too."""
        vars(self).update(state)
        if is_code(self.network):
            _import(self.network)


def named(text: str, runs_dir: str | Path) -> str:
    """The `network` of a space that a person calls `around:` and this text. Raises ValueError where there is none."""
    prefix, colon, _ = text.partition(":")
    if is_code(text) and not (colon and folder_of(prefix, runs_dir).is_dir()):
        _import(text)
        return text
    return resolve(text, runs_dir).text


def itself(target: str, runs_dir: str | Path) -> str:
    """Of `around:NETWORK` the text of the network as it is, as a space around it has it; of others the same."""
    prefix, colon, text = target.partition(":")
    if prefix != Around.name or not colon:
        return target
    space = Around(network=named(text, runs_dir))
    return Found(space, space.as_is).text


def _import(text: str) -> None:
    module, _, attribute = text.partition(":")
    look_here_too(text)
    try:
        found = import_module(module)
    except ImportError as error:
        raise ValueError(f"cannot import {module} of around:{text}: {error}") from None
    if not callable(getattr(found, attribute, None)):
        raise ValueError(
            f"{module} has no {attribute!r} that builds a network: give a function or a class of nn.Module"
        )


def _built(text: str, num_classes: int, image_size: int) -> nn.Module:
    module, _, attribute = text.partition(":")
    if module not in sys.modules:
        raise ValueError(f"the network {text} is built by code: where you trust that, add --trust-space {text}")
    build = getattr(sys.modules[module], attribute)
    takes = inspect.signature(build).parameters
    given = {"num_classes": num_classes, "image_size": image_size, **dict.fromkeys(CHANNELS, image_channels())}
    made = build(**{name: value for name, value in given.items() if name in takes})
    if not isinstance(made, nn.Module):
        raise ValueError(f"{text} gives a {type(made).__name__}, and no nn.Module")
    return made
