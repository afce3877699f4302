"""From a search to a network to ship: the best of its finalists is trained to the end, in the search's own folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.data.images import Dataset
from nas.files import TRAINING
from nas.final import outcome, ranking
from nas.final import run as training_run
from nas.final.announcement import training_lines
from nas.final.job import Job
from nas.joint.fields import changed
from nas.ledger import finals
from nas.ledger.run import Run, TrialRow
from nas.ledger.workload import Conclusion
from nas.references.origin import data_of
from nas.searching.progress import Output
from nas.text.units import format_seconds
from nas.training.train import Diverged


def finish(
    run: Run,
    dataset: Dataset,
    device: str,
    output: Output,
    data_dir: Path | None = None,
    given: Any = None,
) -> None:
    """Train the final network of `run` to the end, from wherever that is; nothing where none was asked for, or found.

    `dataset` is that of the search; its test images are read now. `data_dir` and `given` are as in
    `nas.final.run.resume`. Raises ValueError where none of the finalists could be trained.
    """
    if run.config.final is None or not ranking.contenders(run):
        return
    folder = run.path / finals.FOLDER
    if (folder / TRAINING).is_file():
        if training_run.result_of(folder) is None:
            output.say(f"\nthe final training, in {folder}/:\n")
            training_run.resume(folder, device, data_dir, output, given)
        return
    chosen, again = _chosen(run)
    output.say(f"\n{_why(run, chosen, again)}\n")
    _train(run, chosen, dataset, device, folder, output)


def _chosen(run: Run) -> tuple[TrialRow, Run | None]:
    """The final network's trial, and the run that ranked it; None where there was no time for that."""
    again = finals.find(run)
    return (run.best_row() if again is None else finals.winner(run)), again


def _why(run: Run, chosen: TrialRow, again: Run | None) -> str:
    assert run.config.final is not None
    ended = f"now {run.name}:{chosen.number} by recipe {run.config.final.preset}, to the end"
    if again is not None:
        return f"{ranking.to_text(run, again)}\n\n{ended}, since it is the best after the longer trainings:"
    few = len(ranking.contenders(run)) < 2
    why = "the search has found one network" if few else "what is kept of the budget allows no longer trainings of two"
    return f"none is trained longer before, since {why}; {ended}:"


def _train(run: Run, chosen: TrialRow, dataset: Dataset, device: str, folder: Path, output: Output) -> None:
    final, config = run.config.final, run.config
    assert final is not None
    network = run.network(chosen)
    source = data_of(run, network)
    start = None if config.start is None else config.start.read()
    recipe = changed(final.recipe, chosen.recipe, source.image_size or dataset.image_size)
    job = Job(network, source, recipe, config.seed, device, config.threads, start, own=chosen.recipe)
    if source.image_size != config.source.image_size:  # as whoever goes on with it will read them
        dataset = source.again().load(output.log)
    with output.passing(f"reading the test images of {source.name}"):
        test = source.again().load_test(output.log)
    if output.kind != "none":
        words, whole = f"run {run.name}", replace(dataset, test=test)
        output.say(training_lines(job, whole, words, folder, preset=final.preset))
    try:
        training_run.begin(folder, job, dataset, test, output)
    except Diverged as error:
        raise ValueError(
            f"the final training diverged: {error}. `nas train {run.name}:{chosen.number}` with it trains that network"
        ) from None


# ------------------------------------------------------------------ in words

FIGURES = ("test_accuracy", "val_accuracy", "test_score", "val_score", "macs", "params", "seconds")
"""Of its result.json, for `--json`; scores are by the recipe's metric, where that is not accuracy."""


def result_of(run: Run) -> dict[str, Any] | None:
    """What the final training came to; None where it has not ended."""
    return training_run.result_of(run.path / finals.FOLDER)


def conclude(run: Run, ended: str) -> Conclusion:
    """What came of a search and of its final network."""
    called = f"{run.name}{run.permissions}"
    said = f"\n`nas top {called}` lists the networks of the search, `nas report {called}` shows all of it."
    again, result = finals.find(run), result_of(run)
    if result is None:
        said = f"\n{ended}, and there is no final network yet.{said}"
    text = ""
    if again is not None:
        text = f"\n{ranking.to_text(run, again)}\n"
    if result is None:
        return Conclusion(said, text, {"run": run.name, "final": None})
    text += f"\n{in_words(run, result)}\n{how_to_use(run)}"
    document = {
        "network": f"{run.name}:{finals.FINAL}",
        "trial": finals.winner(run).number,
        "folder": str(run.path / finals.FOLDER),
        **{name: result[name] for name in FIGURES if name in result},
        "finalists": [] if again is None else ranking.to_dicts(run, again),
    }
    return Conclusion(said, text, {"run": run.name, "final": document})


def in_words(run: Run, result: dict[str, Any]) -> str:
    """The final result in a line."""
    number = finals.winner(run).number
    return (
        f"{run.name}:{finals.FINAL} is {run.name}:{number}, trained to the end in {format_seconds(result['seconds'])}: "
        f"{outcome.in_words(result)}, in {run.path / finals.FOLDER}/"
    )


def how_to_use(run: Run) -> str:
    """What to do with it."""
    called = f"{run.name}:{finals.FINAL}{run.permissions}"
    return (
        f"`nas predict {called} IMAGE` says what is on photographs, `nas export {called}` writes it for use elsewhere, "
        f"`nas compare {called}` sets it beside hand-designed networks."
    )
