"""What a command says of its data and its recipe before it trains: nothing of it is left to be guessed."""

from __future__ import annotations

from nas.checks.class_weights import BALANCED
from nas.data.image_file import PAD
from nas.data.images import GREY, RGB, Dataset
from nas.data.judging import uncertainty, warnings_of
from nas.data.source import DataSource
from nas.data.streamed import fits, said
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, REGRESSION, SEGMENTATION
from nas.text.units import format_seconds
from nas.text.visible import visible_in_line
from nas.training.recipe import Recipe

MOST_NAMED = 10  # classes


def images_lines(
    source: DataSource, dataset: Dataset, recipe: Recipe, why: str = "", pixels: str = "", preset: str | None = None
) -> list[str]:
    """The data, how many images have which part, what to know of them before they judge networks, and the recipe.

    `dataset` is as loaded, with its test images where these are looked at. `why` as in `data_line`, `pixels` as in
    `images_line`, `preset` what the recipe is called.
    """
    return [
        f"data      {data_line(source, dataset, why)}",
        f"images    {images_line(dataset, recipe, pixels)}",
        *place_lines(dataset, recipe),
        *judging_lines(dataset, recipe),
        f"{named_recipe_line(recipe, preset)}{loss_in_words(dataset)}",
    ]


def named_recipe_line(recipe: Recipe, preset: str | None) -> str:
    """`recipe    strong: 30 epochs, ...`: the recipe as it is, whatever was given besides the preset's name."""
    return f"recipe    {'' if preset is None else f'{preset}: '}{recipe_line(recipe)}"


def data_line(source: DataSource, dataset: Dataset, why: str = "") -> str:
    """The data set, where it is, its classes, and `why` it is that one: `as run flowers-1 has it`."""
    place = f" in {source.folder}" if source.folder else ""
    classes = f"{dataset.num_classes} {outputs_in_words(dataset.kind)}: {class_list(dataset.class_names)}"
    return f"{dataset.name}{place}, {classes}{f'; {why}' if why else ''}"


def outputs_in_words(kind: str) -> str:
    """What a network has an output for each of."""
    return {
        CLASSIFICATION: "classes",
        MULTILABEL: "labels (multilabel)",
        REGRESSION: "numbers (regression)",
        SEGMENTATION: "classes of pixels (segmentation)",
        DETECTION: "classes of objects (detection)",
    }[kind]


def loss_in_words(dataset: Dataset) -> str:
    """`; loss: binary cross entropy of each label`: only what is not usual."""
    if dataset.kind == MULTILABEL:
        return "; loss: binary cross entropy of each label"
    if dataset.kind == SEGMENTATION:
        return "; loss: cross entropy of each pixel that is of some class"
    if dataset.kind == DETECTION:
        return "; loss: that of the head's paper, of classes and boxes"
    if dataset.kind == REGRESSION:
        numbers = zip(dataset.class_names, dataset.targets.mean, dataset.targets.std, strict=True)
        named = ", ".join(f"{visible_in_line(name)} {mean:.4g} ± {std:.3g}" for name, mean, std in numbers)
        return f"; loss: smooth L1 of numbers standardised by mean and deviation ({named})"
    return ""


def class_list(names: tuple[str, ...]) -> str:
    """`daisy, dandelion, rose, sunflower, tulip`; of many the first and the last."""
    named = names if len(names) <= MOST_NAMED else (*names[: MOST_NAMED - 2], "...", names[-1])
    return ", ".join(map(visible_in_line, named))


def images_line(dataset: Dataset, recipe: Recipe, pixels: str = "") -> str:
    """How many images have which part, how far accuracies by them are known, where there are such, and their pixels.

    `dataset` is not yet `recipe.prepare`d. `pixels` says in words what no number does: `each network's own`.
    """
    train = len(dataset.train) if recipe.subset is None else recipe.subset
    of = f" of {len(dataset.train):,}" if train < len(dataset.train) else ""
    test = 0 if dataset.test is None else len(dataset.test)
    known = {n: f" ({uncertainty(n)})" if dataset.kind == CLASSIFICATION else "" for n in (test, len(dataset.val))}
    tested = f", {test:,} to test, once{known[test]}" if test else ""
    size = recipe.size_on(dataset)
    own = f" (they have {dataset.image_size})" if size != dataset.image_size and not pixels else ""
    validated = f"{len(dataset.val):,} to validate{known[len(dataset.val)]}"
    return f"{train:,}{of} to train on, {validated}{tested}; at {pixels or size} pixels{own}{channels_said(dataset)}"


def channels_said(dataset: Dataset) -> str:
    """`, grey`, `, 5 channels` or `, whole, between bars`: only what is not usual."""
    whole = ", whole, between bars" if dataset.fit == PAD else ""
    if dataset.channels == RGB:
        return whole
    return f"{', grey' if dataset.channels == GREY else f', {dataset.channels} channels'}{whole}"


def place_lines(dataset: Dataset, recipe: Recipe) -> list[str]:
    """Where the training images are that are too many to be held; mostly nothing. `dataset` as `images_line`."""
    if not (stay := said(dataset.train.pixels)):
        return []
    held = recipe.subset is not None and fits(recipe.subset * dataset.channels * recipe.size_on(dataset) ** 2)
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
        + f"{_grown(recipe)}{_kept(recipe)}{judged_by(recipe)}"
    )


def _grown(recipe: Recipe) -> str:
    """`; at 50 % of the pixels a side first`: only what is not usual."""
    return f"; at {100 * recipe.progressive:g} % of their pixels a side at first, all in the last third" * bool(
        recipe.progressive
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
