"""The page of `nas look`: one HTML file that holds its pictures. What it says of them is in `nas.seeing.words`."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files

import torch
from torch import Tensor

import nas
from nas.data.images import visible
from nas.data.targets import CLASSIFICATION, REGRESSION
from nas.report.frame import framed
from nas.report.markup import Markup, join, tag
from nas.report.parts import note, section
from nas.seeing import words
from nas.seeing.classes import PENALTY, RATE
from nas.seeing.job import Photograph, Seen
from nas.seeing.layers import Layer
from nas.seeing.patches import Excited, Filters
from nas.seeing.pictures import Pixels, cut, data_uri, heat, of_input, of_range, of_signs, over
from nas.text.units import format_percent, format_seconds
from nas.text.visible import visible_in_line
from searchspaces.receptive import WHOLE

MOST_FIRST = 96  # filters of the first layer that are shown


def page(seen: Seen) -> str:
    """The whole page."""
    style = files("nas.seeing").joinpath("page.css").read_text(encoding="utf-8")
    return framed(
        f"{seen.subject.source.network.name}: nas look",
        _title(seen),
        section("What to make of it", tag("p", None, words.CAUTION)),
        _first_layer(seen),
        _layers(seen),
        _classes(seen),
        _photographs(seen),
        _how(seen),
        style=style,
    )


def _title(seen: Seen) -> Markup:
    source, subject = seen.subject.source, seen.subject
    about = (
        f"What it sees of {subject.dataset.name}: {source.shape[0]} outputs, images of {source.shape[1]} pixels, "
        f"{len(subject.images):,} validation images."
    )
    untrained = None if source.trained else tag("p", {"class": "warning"}, words.UNTRAINED)
    return tag("header", None, tag("h1", None, source.network.name), tag("p", {"class": "lead"}, about), untrained)


def _image(pixels: Pixels, alt: str) -> Markup:
    return tag("img", {"src": data_uri(pixels), "alt": alt})


def _told(texts: Mapping[str, str]) -> Markup:
    """What kinds of pictures show, by their names."""
    pairs = [join(tag("dt", None, name), tag("dd", None, text)) for name, text in texts.items()]
    return tag("dl", {"class": "told"}, *pairs)


# ---------------------------------------------------------------------------- filters


def _first_layer(seen: Seen) -> Markup:
    title = "The first layer's filters"
    if seen.first is None:
        return section(title, note(words.NO_FIRST))
    count, channels, height, width = seen.first.shape
    said = words.FIRST.format(height=height, width=width, count=count)
    if channels == 2 or channels > 3:
        said += f" Of their {channels} channels the first {'one is' if channels == 2 else 'three are'} shown."
    if count > MOST_FIRST:
        said += f" The first {MOST_FIRST} are shown."
    images = [_image(of_range(one), f"filter {n} of the first layer") for n, one in enumerate(seen.first[:MOST_FIRST])]
    return section(title, note(said), tag("div", {"class": "kernels looked"}, *images))


def _layers(seen: Seen) -> Markup:
    why = seen.subject.undefined
    back = words.NO_DECONVNET.format(why=why) if why else words.DECONVNET
    parts = [part for filters in seen.filters for part in _layer(seen, filters)]
    patches = words.PATCHES.format(images=f"{len(seen.subject.images):,}")
    return section("What excites filters", note(patches), note(back), *parts)


def _layer(seen: Seen, filters: Filters) -> list[Markup]:
    layer = filters.layer
    said = f"{layer.filters} filters, maps of {layer.side}x{layer.side}; {_field(seen, layer)}."
    if filters.silent:
        are = "is" if filters.silent == 1 else "are"
        said += f" {filters.silent} of the filters {are} never above 0 on these images."
    figures = [_filter(seen, filters, number) for number in filters.excited]
    return [tag("h3", None, f"layer {layer.name}"), note(said), tag("div", {"class": "filters looked"}, *figures)]


def _field(seen: Seen, layer: Layer) -> str:
    """What a position sees, in words."""
    side, axes = seen.subject.shape[1], (layer.field.rows, layer.field.columns)
    if WHOLE in axes:
        return "a position sees the whole image"
    sizes = [int(axis.last - axis.first + 1) for axis in axes]
    gate = ", and by a gate or a norm something of the whole image" if layer.field.gated else ""
    said = f"a position sees {sizes[0]}x{sizes[1]} pixels{gate}"
    return f"{said}, and the image is no larger: patches are of its size" if max(sizes) >= side else said


def _filter(seen: Seen, filters: Filters, number: int) -> Markup:
    spots, name = filters.excited[number], filters.layer.name
    strips = [_strip(seen, spots, f"patch that excites filter {number} of {name}")]
    if (name, number) in seen.projections:
        back = f"deconvnet of filter {number} of {name}"
        strips.append(_strip(seen, spots, back, seen.projections[name, number]))
    values = f"{spots[0].value:.3g}" if len(spots) == 1 else f"{spots[0].value:.3g} to {spots[-1].value:.3g}"
    return tag("figure", None, tag("figcaption", None, f"filter {number}, activation {values}"), *strips)


def _strip(seen: Seen, spots: list[Excited], alt: str, projections: Tensor | None = None) -> Markup:
    """The patches side by side; with `projections` the same pieces of these."""
    pictures = (
        [visible(seen.subject.images.pixels[spot.image].numpy()) for spot in spots]
        if projections is None
        else [of_signs(one) for one in projections]
    )
    images = [
        _image(cut(picture, spot.box), f"{alt}, place {rank}")
        for rank, (picture, spot) in enumerate(zip(pictures, spots, strict=True), 1)
    ]
    columns = f"grid-template-columns: repeat({len(images)}, 1fr)"
    return tag("div", {"class": "strip-of", "style": columns}, *images)


# ---------------------------------------------------------------------------- classes


def _classes(seen: Seen) -> Markup:
    subject, kind = seen.subject, seen.subject.targets.kind
    of = words.classes("output" if kind == REGRESSION else "score before the softmax", seen.steps)
    said = words.CLASSES_CAUTION
    if len(seen.classes) < len(subject.names):
        said += f" {len(seen.classes)} of {len(subject.names)} are shown, drawn by chance."
    title = "Numbers at their largest" if kind == REGRESSION else "Classes at their most"
    figures = [_class(seen, place, target) for place, target in enumerate(seen.classes)]
    return section(title, _told(of), note(said), tag("div", {"class": "classes looked"}, *figures))


def _class(seen: Seen, place: int, target: int) -> Markup:
    name, dataset = visible_in_line(seen.subject.names[target]), seen.subject.dataset
    people = of_input(seen.for_people.images[place], dataset.mean, dataset.std)
    pair = [
        _image(of_signs(seen.plain.images[place]), f"{name} at its most, by the penalty alone"),
        _image(people, f"{name} at its most, with jitter and blur"),
    ]
    pictures = tag("div", {"class": "pair"}, *pair)
    return tag("figure", None, tag("figcaption", None, name), pictures, tag("p", None, _scores(seen, place)))


def _scores(seen: Seen, place: int) -> str:
    """`noise 0.1 (9.8 %); left 34.2 (99 %), right 21.0 (98 %)`: without shares where there are no classes."""

    def of(scores: Tensor, shares: Tensor) -> str:
        share = f" ({format_percent(float(shares[place]))})"
        return f"{float(scores[place]):.1f}{share if seen.subject.targets.kind == CLASSIFICATION else ''}"

    noise, left = (of(*both) for both in zip(seen.plain.scores, seen.plain.probabilities, strict=True))
    return f"noise {noise}; left {left}, right {of(seen.for_people.scores[1], seen.for_people.probabilities[1])}"


# ---------------------------------------------------------------------------- photographs


def _photographs(seen: Seen) -> Markup:
    told = _told(words.methods(seen.attributions.cam_side))
    rows = [part for number, one in enumerate(seen.photographs) for part in _photograph(seen, number, one)]
    return section("Where it looks", told, note(words.PHOTOGRAPHS), *rows)


def _photograph(seen: Seen, number: int, one: Photograph) -> list[Markup]:
    found, pixels = seen.attributions, visible(one.pixels.numpy())
    sums = f"sum {float(found.integrated[number].sum()):.3g} of {float(found.difference[number]):.3g}"
    pictures: dict[str, Pixels | None] = {
        words.SALIENCY: heat(found.saliency[number]),
        words.GUIDED: None if found.guided is None else of_signs(found.guided[number]),
        words.INTEGRATES: heat(found.integrated[number].sum(0).abs()),
        words.CAM: None if found.cam is None else over(heat(found.cam[number]), pixels),
        words.OCCLUSION: over(heat(found.occlusion[number].clamp(min=0)), pixels),
    }
    figures = [tag("figure", None, _image(pixels, one.name), tag("figcaption", None, "as the network takes it"))]
    for name, picture in pictures.items():
        why = f"Not defined: {seen.subject.undefined}." if name == words.GUIDED else "The network has no map for it."
        shown = tag("div", {"class": "missing"}, why) if picture is None else _image(picture, f"{name} of {one.name}")
        caption = f"{name}, {sums}" if name == words.INTEGRATES else name
        figures.append(tag("figure", None, shown, tag("figcaption", None, caption)))
    title = tag("h3", None, f"{one.name}: {_verdict(seen, one)}")
    return [title, tag("div", {"class": "methods looked"}, *figures)]


def _verdict(seen: Seen, one: Photograph) -> str:
    names = seen.subject.names
    name = visible_in_line(names[one.target])
    if seen.subject.targets.kind == REGRESSION:
        return f"{name} is {one.share:.4g}"
    said = f"{name} by {format_percent(one.share)}"
    if one.truth is None:
        return said
    return f"{said}, right" if one.truth == one.target else f"{said}, wrong: it is {visible_in_line(names[one.truth])}"


# ---------------------------------------------------------------------------- the rest


def _how(seen: Seen) -> Markup:
    source, subject = seen.subject.source, seen.subject
    weights = str(source.weights.path) if source.trained and source.weights else "none: untrained, of seed 0"
    facts = {
        "network": source.network.text,
        "weights": weights,
        "data": f"{subject.dataset.name}, {len(subject.images):,} of {len(subject.dataset.val):,} validation images",
        "seed": str(seen.seed),
        "classes": f"Adam, rate {RATE:g}, {seen.steps:,} steps; penalty {PENALTY:g} times the mean square, in "
        "deviations of the score among these images",
        "took": f"{format_seconds(seen.seconds)} on a CPU, {platform.machine()}",
        "versions": f"nas {nas.__version__}, torch {torch.__version__}, captum {version('captum')}",
    }
    return section("How it was made", _told(facts))
