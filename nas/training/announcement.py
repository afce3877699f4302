"""What a command says of its data and its recipe before it trains: nothing of it is left to be guessed."""

from __future__ import annotations

from nas.checks.class_weights import BALANCED
from nas.data.images import Dataset
from nas.data.judging import uncertainty, warnings_of
from nas.data.source import DataSource
from nas.data.streamed import fits, said
from nas.text.units import format_seconds
from nas.text.visible import visible_in_line
from nas.training.recipe import Recipe

MOST_NAMED = 10  # classes


def images_lines(source: DataSource, dataset: Dataset, recipe: Recipe, why: str = "", pixels: str = "") -> list[str]:
    """The data, how many images have which part, what to know of them before they judge networks, and the recipe.

    `dataset` is as loaded, with its test images where these are looked at. `why` as in `data_line`, `pixels` as in
    `images_line`.
    """
    return [
        f"data      {data_line(source, dataset, why)}",
        f"images    {images_line(dataset, recipe, pixels)}",
        *place_lines(dataset, recipe),
        *judging_lines(dataset, recipe),
        f"recipe    {recipe_line(recipe)}",
    ]


def data_line(source: DataSource, dataset: Dataset, why: str = "") -> str:
    """The data set, where it is, its classes, and `why` it is that one: `as run flowers-1 has it`."""
    place = f" in {source.folder}" if source.folder else ""
    classes = f"{dataset.num_classes} classes: {class_list(dataset.class_names)}"
    return f"{dataset.name}{place}, {classes}{f'; {why}' if why else ''}"


def class_list(names: tuple[str, ...]) -> str:
    """`daisy, dandelion, rose, sunflower, tulip`; of many the first and the last."""
    named = names if len(names) <= MOST_NAMED else (*names[: MOST_NAMED - 2], "...", names[-1])
    return ", ".join(map(visible_in_line, named))


def images_line(dataset: Dataset, recipe: Recipe, pixels: str = "") -> str:
    """How many images have which part, how far accuracies by them are known, and their pixels.

    `dataset` is not yet `recipe.prepare`d. `pixels` says in words what no number does: `each network's own`.
    """
    train = len(dataset.train) if recipe.subset is None else recipe.subset
    of = f" of {len(dataset.train):,}" if train < len(dataset.train) else ""
    test = 0 if dataset.test is None else len(dataset.test)
    tested = f", {test:,} to test, once ({uncertainty(test)})" if test else ""
    size = recipe.image_size(dataset)
    own = f" (they have {dataset.image_size})" if size != dataset.image_size and not pixels else ""
    validated = f"{len(dataset.val):,} to validate ({uncertainty(len(dataset.val))})"
    return f"{train:,}{of} to train on, {validated}{tested}; at {pixels or size} pixels{own}"


def place_lines(dataset: Dataset, recipe: Recipe) -> list[str]:
    """Where the training images are that are too many to be held; mostly nothing. `dataset` as `images_line`."""
    if not (stay := said(dataset.train.pixels)):
        return []
    held = recipe.subset is not None and fits(recipe.subset * 3 * recipe.image_size(dataset) ** 2)
    return [f"pixels    {stay}{f'; the {recipe.subset:,} to train on are held in memory' if held else ''}"]


def judging_lines(dataset: Dataset, recipe: Recipe) -> list[str]:
    """What to know of the images before networks are judged by them: mostly nothing. `dataset` as `images_line`."""
    return [f"note      {warning}" for warning in warnings_of(dataset, recipe.subset)]


def recipe_line(recipe: Recipe) -> str:
    """All that decides how a network learns."""
    epochs = f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}"
    return (
        ", ".join(
            [
                epochs if recipe.seconds is None else f"for {format_seconds(recipe.seconds)}",
                f"{recipe.batch_size} images a step",
                f"{recipe.optimizer} with a {recipe.schedule} learning rate of {recipe.lr:g}",
                f"weight decay {recipe.weight_decay:g}",
                f"label smoothing {recipe.label_smoothing:g}; images {recipe.augment().words()}",
            ]
        )
        + f"{_kept(recipe)}{judged_by(recipe)}"
    )


def _kept(recipe: Recipe) -> str:
    """`; the moving average of the weights is kept`: only what is not usual."""
    average = f"the moving average of the weights (decay {recipe.ema:g})" if recipe.ema else "the weights"
    if recipe.select == "best":
        return f"; {average} of the best epoch by validation {'are' if not recipe.ema else 'is'} kept"
    return f"; {average} is kept" if recipe.ema else ""


def judged_by(recipe: Recipe) -> str:
    """`; all classes weigh the same; judged by macro-f1`: only what is not usual."""
    weights, weighed = recipe.class_weights, ""
    if weights == BALANCED:
        weighed = "; all classes weigh the same"
    elif isinstance(weights, tuple):
        weighed = "; weights " + ", ".join(
            f"{visible_in_line(name)} {weight:g}" for name, weight in weights[:MOST_NAMED]
        )
    return weighed + (f"; judged by {recipe.metric}" if recipe.metric != "accuracy" else "")
