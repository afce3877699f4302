"""What a soup came to, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from nas.soups.results import Ingredient, Soup
from nas.text.columns import table
from nas.text.units import AS_NUMBERS, format_quality
from nas.text.visible import visible_in_line


def in_words(soup: Soup) -> str:
    """Tables of the members, of the greedy soup's steps and of the soups, and what it gains."""
    return "\n".join([
        f"Members, by {soup.metric}; halfway: the mean of a member's weights and the best one's,",
        "on validation images.",
        _members(soup),
        "",
        "Greedy soup, by validation images, the best first.",
        _steps(soup),
        "",
        _soups(soup),
        "",
        *_notes(soup),
    ])  # fmt: skip


def _members(soup: Soup) -> str:
    rows = [
        (
            f"{one.name}{' *' if one.name == soup.best else ''}",
            format_quality(soup.metric, one.val),
            format_quality(soup.metric, one.test),
            format_quality(soup.metric, one.halfway),
        )
        for one in soup.ingredients
    ]
    shown = table(("member", "val", "test", "halfway"), rows, words=("member",))
    return "\n".join([shown, "", "* the best by validation images", *_recipes(soup)])


def _recipes(soup: Soup) -> Iterator[str]:
    """A line for each member, where something of its recipe is its own."""
    for one in soup.ingredients:
        if one.recipe:
            own = ", ".join(f"{name} {value}" for name, value in one.recipe.items())
            yield f"{visible_in_line(one.name)}: {visible_in_line(own)}"


def _steps(soup: Soup) -> str:
    rows = [
        (
            str(number),
            step.name,
            format_quality(soup.metric, step.val),
            format_quality(soup.metric, step.test),
            "in" if step.kept else "left out",
        )
        for number, step in enumerate(soup.steps, start=1)
    ]
    return table(("step", "tried", "val", "test", "it is"), rows, words=("tried", "it is"))


def _soups(soup: Soup) -> str:
    rows = [
        (
            f"{mixed.name}{' (kept)' if mixed.name == soup.mix else ''}",
            str(len(mixed.members)),
            format_quality(soup.metric, mixed.val),
            format_quality(soup.metric, mixed.test),
        )
        for mixed in soup.mixed
    ]
    return table(("soup", "members", "val", "test"), rows, words=("soup",))


def _notes(soup: Soup) -> Iterator[str]:
    """How norms were seen to, what does not mix, and what was gained."""
    if soup.calibrated:
        yield f"Batch norms of each soup have statistics by {soup.calibrated:,} training images."
    best = next(one for one in soup.ingredients if one.name == soup.best)
    for one in soup.ingredients:
        if one is not best and not one.akin:
            yield barrier(one, best, soup.metric)
    if len(soup.kept.members) == 1:
        yield f"The {soup.mix} soup is {visible_in_line(soup.best)} alone: with any other member it was worse."
        return
    factor, digits = (1, 3) if soup.metric in AS_NUMBERS else (100, 1)
    estimate, low, high = (
        round(factor * value, digits) + 0.0 for value in (soup.gain.estimate, soup.gain.low, soup.gain.high)
    )
    shows = "" if soup.gain.shows else ", which may be none,"
    points = "" if soup.metric in AS_NUMBERS else " points"
    yield (
        f"On test images the {soup.mix} soup gains {estimate:+.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
        f"{points}{shows} on {visible_in_line(soup.best)}, the best member; it costs what one of them does."
    )


def barrier(one: Ingredient, best: Ingredient, metric: str) -> str:
    """That `one` may have another start than the `best`, and what lies between the two."""
    at = [format_quality(metric, value) for value in (one.halfway, one.val, best.val)]
    name, other = visible_in_line(one.name), visible_in_line(best.name)
    return (
        f"Note: {name} is not known to have begun with the weights of {other}. "
        f"Halfway between them it is {at[0]}, at the two ends {at[1]} and {at[2]}; nas fuse has them vote."
    )
