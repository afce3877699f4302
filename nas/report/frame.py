"""What a page stands in: one HTML file that needs nothing but itself."""

from __future__ import annotations

from importlib.resources import files

from nas.report.markup import Markup, tag


def framed(title: str, *parts: object, style: str = "") -> str:
    """The `parts` as a page of that title, by the style of all pages, and a further `style` of its own."""
    shared = files("nas.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        None,
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("title", None, title),
        tag("style", None, Markup(shared + style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', {'lang': 'en'}, head, tag('body', None, tag('main', None, *parts)))}\n"
