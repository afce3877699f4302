"""The best networks of a search, ranked anew by longer trainings, and what became of the best of these."""

from __future__ import annotations

import contextlib

from nas.ledger import finals
from nas.report.markup import Markup
from nas.report.numbers import Numbers
from nas.report.parts import note, section, text_table


def final_network(numbers: Numbers) -> Markup | None:
    """The ranks before and after, and the final result, as far as they are known; None where nobody asked for them."""
    from nas.final import ranking, shipping  # of a floor above

    run = numbers.run
    if run.config.final is None:
        return None
    table, said = None, []
    with contextlib.suppress(ValueError):  # its ledger has not begun
        if (again := finals.find(run)) is not None:
            table = text_table(list(ranking.HEADER), ranking.cells(finals.finalists(run, again), run), (1, 2, 3, 4))
            final, recipe = run.config.final, again.config.recipe
            said.append(f"Longer: {ranking.in_words(recipe, final.images, final.preset)}, alike for all of them.")
    result = shipping.result_of(run)
    said.append("It has not been trained to the end yet." if result is None else f"{shipping.in_words(run, result)}.")
    return section("The final network", table, *map(note, said))
