"""HTML and SVG as strings in which everything that is not markup already has been escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping

from nas.text.visible import visible

_EMPTY = {"meta", "img", "path", "line", "circle", "wbr"}


class Markup(str):
    """Text that is markup, not to be escaped again."""

    __slots__ = ()


def tag(name: str, attributes: Mapping[str, object] | None = None, *children: object) -> Markup:
    """An element: `tag("p", {"class": "note"}, "a < b")`. Children that are no `Markup` are text; None is nothing."""
    given = "".join(f' {key}="{html.escape(visible(str(value)))}"' for key, value in (attributes or {}).items())
    content = join(*children)
    if name in _EMPTY:
        return Markup(f"<{name}{given}/>" if not content else f"<{name}{given}>{content}</{name}>")
    return Markup(f"<{name}{given}>{content}</{name}>")


def join(*children: object) -> Markup:
    """`children` one after the other."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: object) -> str:
    return child if isinstance(child, Markup) else html.escape(visible(str(child)), quote=False)
