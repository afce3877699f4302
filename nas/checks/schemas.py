"""What each file that `nas` reads may say, field by field. Whoever reads one has it checked by these, see `schema`.

The values are those of JSON, as they stand in the files; what is made of them is beside that (`Config` of `CONFIG`,
say). A field that a file of an older version has not is not `needed`. Nothing here needs torch: `nas runs` reads a
folder of runs without it.
"""

from __future__ import annotations

from nas.checks.class_weights import ClassWeights
from nas.checks.costs import OF_LAYERS, Figures
from nas.checks.limits import (
    BATCH,
    CHANNELS,
    CLASSES,
    COST_WORKERS,
    COUNT,
    DECAY,
    EPOCHS,
    IMAGES,
    MIN_SIZE,
    MOST_CHANNELS,
    NATURAL,
    PART,
    PIXELS,
    RATE,
    SECONDS,
    SEED,
    SEEDS,
    SHARE,
    TEXT,
    THREADS,
    Flag,
    Kind,
    Number,
    Optional,
    Word,
)
from nas.checks.noted import ANY_NUMBER, METRICS, NOTED, SCORE, TIME
from nas.checks.schema import ANYTHING, ListOf, MapOf, Object, OrNull, Real

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("onecycle", "cosine", "constant")
POLICIES = ("none", "trivialaugment", "randaugment")  # of augmentation
SIGNALS = ("accuracy", "loss")
RUNTIMES = ("pytorch", "onnxruntime", "onnxruntime-int8")  # by which a network's latency is measured
SELECTIONS = ("last", "best")
TASKS = ("classification", "multilabel", "regression", "segmentation", "detection")  # see `nas.data.targets`
FITS = ("crop", "pad")  # how an image that is no square becomes one, see `nas.data.image_file`
SHARINGS = ("elastic", "single-path")  # see `searchspaces.sharing`
EVALUATORS = ("train", "supernet")  # of trials that no table answers
KINDS = ("search", "comparison", "scaling grid", "proxy study", "final ranking")  # of runs, see `nas.ledger.workload`

SIDE = Number(MIN_SIZE, PIXELS.most, whole=True, of="pixels")  # of images that are trained on
TEXTS = ListOf(TEXT)
ALPHA = Number(0, 100)  # of the Beta distribution by which images are mixed

# ------------------------------------------------------------------ what a person decides

RECIPE_FIELDS: dict[str, Kind] = {
    "epochs": EPOCHS,
    "seconds": Optional(SECONDS),
    "subset": Optional(IMAGES),
    "image_size": Optional(SIDE),
    "batch_size": BATCH,
    "optimizer": Word(OPTIMIZERS),
    "schedule": Word(SCHEDULES),
    "lr": RATE,
    "warmup": SHARE,
    "momentum": SHARE,
    "weight_decay": DECAY,
    "label_smoothing": SHARE,
    "cutout": Number(0, PIXELS.most, whole=True, of="pixels"),
    "min_area": Optional(PART),
    "flip": Flag(),
    "vertical_flip": Flag(),
    "quarter_turns": Flag(),
    "rotation": Number(0, 180),  # degrees
    "color_jitter": SHARE,
    "policy": Word(POLICIES),
    "mixup": ALPHA,
    "cutmix": ALPHA,
    "progressive": SHARE,
    "ema": Number(0, 0.999999),
    "select": Word(SELECTIONS),
    "bf16": Optional(Flag()),
    "metric": Word(METRICS),
    "class_weights": ClassWeights(),
    "distill": Optional(SHARE),
    "distill_temperature": Optional(Number(0, 1_000, above=True)),
}
RECIPE = Object(RECIPE_FIELDS, renamed={"resolution": "image_size"})

REWARD = Object(
    {
        "targets": Figures(),
        "cost": Word(("macs", "params", "latency")),  # with its target: of older runs, which had one
        "target": Optional(Number(0, above=True)),
        "w_below": Number(most=0),
        "w_above": Number(most=0),
        "signal": Word(SIGNALS),
    }
)

SOURCE = Object(
    {
        "name": TEXT,
        "folder": Optional(TEXT),
        "image_size": Optional(PIXELS),
        "skip_unreadable": Flag(),
        "group_by": Optional(TEXT),
        "channels": CHANNELS,
        "task": Optional(Word(TASKS)),
        "labels": Optional(TEXT),
        "fit": Word(FITS),
        "sha256": Optional(TEXT),
    },
    needed=("name",),
)
"""Which images: a `DataSource`."""

# ------------------------------------------------------------------ a run's config.json

FINAL = Object(
    {
        "preset": TEXT,
        "recipe": RECIPE,
        "share": PART,
        "images": COUNT,
        "at_once": COUNT,
        "seconds": Optional(SECONDS),
    },
    needed=("preset", "recipe", "share", "images"),
)
"""What follows a search: a `Final`."""

CONFIG = Object(
    {
        "space": Object({"name": TEXT, "settings": ANYTHING}, needed=("name", "settings")),
        "data": TEXT,
        "recipe": RECIPE,
        "recipe_choices": TEXTS,  # that trials have of it, see `nas.joint.fields`
        "reward": REWARD,
        "strategy": TEXT,
        "seed": SEED,
        "data_dir": Optional(TEXT),
        "device": TEXT,
        "threads": THREADS,
        "limits": Figures(),
        "also": TEXTS,
        "max_macs": Optional(Number(0, above=True)),  # of older runs
        "measuring": Object(
            {
                "commands": MapOf(TEXT),
                "timeout": SECONDS,
                "attempts": COUNT,
                "workers": COST_WORKERS,
                "runtime": TEXT,
                "table": Optional(TEXT),
                "table_sha256": Optional(TEXT),
                "table_error": Optional(Number(0)),
            }
        ),
        "table": Optional(TEXT),
        "table_sha256": Optional(TEXT),
        "data_sha256": Optional(TEXT),
        "skip_unreadable": Flag(),
        "group_by": Optional(TEXT),
        "channels": CHANNELS,
        "task": Optional(Word(TASKS)),
        "labels": Optional(TEXT),
        "fit": Word(FITS),
        "pruner": TEXT,
        "objectives": TEXTS,
        "num_classes": Optional(CLASSES),
        "validation": OrNull(MapOf(NATURAL)),
        "strategy_settings": ANYTHING,
        "kind": Word(KINDS),
        "final": OrNull(FINAL),
        "experience": TEXTS,
        "experience_sha256": Optional(TEXT),
        "init": Optional(TEXT),
        "init_sha256": Optional(TEXT),
        "evaluator": Word(EVALUATORS),
        "enqueue": TEXTS,
        "head": Optional(TEXT),
        "prior": TEXTS,
    },
    needed=("space", "data", "recipe", "reward", "strategy", "seed"),
)
"""What decides a run. The settings of spaces and strategies are checked by those."""

BUDGET = Object({"trials": Optional(COUNT), "seconds": Optional(Number(0, above=True)), "timing": TIME})

RUN_FORMAT = 1  # of a run's config.json: another number where an older version would take it for something else
RUN = Object(
    {
        "format": COUNT,
        **dict.fromkeys(("study", "id", "of", "beside"), TEXT),
        "config": CONFIG,
        "budget": BUDGET,
        "storage": Optional(TEXT),
        "versions": MapOf(TEXT),
        "command": TEXTS,
    },
    needed=("config", "budget", "storage", "versions"),
    format=RUN_FORMAT,
)

EARLIER_RUN = Object(
    {
        **dict.fromkeys(("name", "space", "choices", "data"), TEXT),
        "settings": ANYTHING,
        "recipe": ANYTHING,
        "seed": SEED,
        "results": ListOf(
            Object(
                {
                    "arch": ListOf(NATURAL, least=1),
                    "quality": SCORE,
                    "standings": ListOf(ANY_NUMBER),
                    "loss": ANY_NUMBER,
                    **dict.fromkeys(("macs", "params", "latency"), Number(0)),
                    "costs": Figures(above=False),
                },
                needed=("arch", "quality", "standings"),
            ),
            least=1,
        ),
        "command": TEXTS,
        "versions": MapOf(TEXT),
    },
    needed=("name", "space", "settings", "choices", "data", "recipe", "seed", "results"),
)
EXPERIENCE_FORMAT = 1
EXPERIENCE = Object(
    {"format": COUNT, "runs": ListOf(EARLIER_RUN, least=1)}, needed=("format", "runs"), format=EXPERIENCE_FORMAT
)
"""What earlier searches found, for a new one: see `nas.ledger.experience`."""

LATENCY_TABLE_FORMAT = 1
LATENCY_TABLE = Object(
    {
        "format": COUNT,
        "space": Object({"name": TEXT, "settings": ANYTHING}, needed=("name", "settings")),
        "images": Object(
            {"image_size": PIXELS, "channels": CHANNELS, "classes": CLASSES},
            needed=("image_size", "channels", "classes"),
        ),
        "target": Object(
            {"runtime": TEXT, "threads": THREADS, "place": TEXT, "command": Optional(TEXT), "name": TEXT},
            needed=("runtime", "threads", "place"),
        ),
        "seed": SEED,
        "wanted": ListOf(NATURAL, least=2, most=2),
        "error": OrNull(Object({"mape": TIME, "spearman": Number(-1, 1)}, needed=("mape", "spearman"))),
        "versions": MapOf(TEXT),
        "command": TEXTS,
        "measured": ListOf(
            Object(
                {
                    "arch": ListOf(NATURAL, least=1),
                    "part": NATURAL,
                    "macs": NATURAL,
                    "seconds": ListOf(Number(0, above=True), least=1),
                },
                needed=("arch", "macs", "seconds"),
            )
        ),
    },
    needed=("format", "space", "images", "target", "seed", "wanted", "versions", "command", "measured"),
    format=LATENCY_TABLE_FORMAT,
)
"""What networks of a space took on a device: see `nas.latencies.table`."""

COMPARISON_SETTINGS = Object(
    {
        "names": ListOf(TEXT, least=1),
        "networks": ListOf(TEXT, least=1),
        "num_classes": CLASSES,
        "image_size": PIXELS,
        "seeds": SEEDS,
        "equal_seconds": Flag(),
        "ensemble": Flag(),
        "channels": CHANNELS,
        "starts": TEXTS,
        "start_sha256": TEXTS,
        "recipes": TEXTS,
        "fresh": TEXTS,
        "freeze": TEXTS,
        "train_last": Optional(COUNT),
        "backbone_lr": PART,
    }
)
"""The settings of a comparison's space, as those of a grid of scalings and of a study of proxies below."""

FINALISTS = Object({"trials": ListOf(NATURAL, least=1), "networks": ListOf(TEXT, least=1), "image_size": PIXELS})

GRID = Object({"base": TEXT, "image_size": PIXELS, "triples": ListOf(TEXT, least=1), "seeds": SEEDS})

STUDY = Object(
    {
        "networks": ListOf(TEXT, least=1),
        "shorts": TEXTS,
        "cuts": ListOf(COUNT),
        "image_size": PIXELS,
        "images": COUNT,
        "seeds": SEEDS,
        "truth_inherits": Flag(),
    }
)

# ------------------------------------------------------------------ a supernet

CORRELATION = Number(-1, 1)
SHARED = Object(
    {
        "space": TEXT,
        "settings": ANYTHING,
        "way": Word(SHARINGS),
        "num_classes": CLASSES,
        "image_size": PIXELS,
        "channels": CHANNELS,
        "images": NATURAL,
        "passes": NATURAL,
        "ranking": OrNull(
            Object(
                {"truth": TEXT, "networks": COUNT, **dict.fromkeys(("kendall", "low", "high", "macs"), CORRELATION)},
                needed=("truth", "networks", "kendall", "low", "high", "macs"),
            )
        ),
    },
    needed=("space", "settings", "way", "num_classes", "image_size", "channels", "images", "passes"),
)
"""What a file of shared weights says of them, see `nas.training.shared`."""

PROGRESS = Object(
    {"epochs": NATURAL, "loss": ANY_NUMBER, "images": NATURAL, "passes": NATURAL, "seconds": TIME},
    needed=("epochs", "loss", "images", "passes", "seconds"),
)

# ------------------------------------------------------------------ a ledger's trials

CURVE_POINT = Object(
    {
        "images": COUNT,
        "loss": ANY_NUMBER,
        "area": ANY_NUMBER,
        "val_accuracy": Optional(SHARE),
        "seconds": ANY_NUMBER,  # the process's clock less validations: may be a little below 0
        "judging": ANY_NUMBER,
    },
    needed=("images", "loss", "area", "val_accuracy", "seconds", "judging"),
)

TRIAL = Object(
    {
        **NOTED,
        "latency": TIME,
        **dict.fromkeys(OF_LAYERS, NATURAL),
        "costs": Figures(above=False),
        "curve": ListOf(CURVE_POINT),
    },
    open=True,
    renamed={"looks": "curve"},
)
"""What is noted of a trial, in its user attributes. Other programs may note more."""

UPDATE = Object(
    {
        **dict.fromkeys(
            ("mean_reward", "mean_score", "baseline", "advantage_mean", "advantage_std", "loss", "entropy", "kl"),
            Real(),  # that of a policy which has turned away for good may be infinite
        ),
        "clip_fraction": SHARE,
        "trial": Optional(NATURAL),
    },
    needed=(
        "mean_reward", "mean_score", "baseline", "advantage_mean", "advantage_std", "loss", "entropy", "kl",
        "clip_fraction",
    ),
)  # fmt: skip
"""What an update of a policy did, in a study's system attributes."""

LOG_PROBS = "policy:log_probs"  # a trial's attribute: {choice: log-probability of its option when it was proposed}
TRUST = "experience:trust"  # likewise: how far each earlier search was trusted when it was proposed, 0..1
UPDATE_PREFIX = "policy:update:"  # of a study's attributes, each with the number of an update behind it: an `UPDATE`

# ------------------------------------------------------------------ a table of results

PERCENT = Number(0, 100)
FIGURES: dict[str, Kind] = {
    "observed": PERCENT,
    "reported": PERCENT,
    "params": Optional(Number(0, 1e15)),
    "macs": Optional(Number(0, 1e18)),
    "seconds": Optional(Number(0, 1e9)),
}
"""What a row of a table says of an architecture."""

# ------------------------------------------------------------------ a network's file, and a training's folder

NETWORK = Object(
    {
        "head": TEXT,
        "baseline": TEXT,
        "space": TEXT,
        "settings": ANYTHING,
        "architecture": TEXT,
        "options": ANYTHING,
        "scaled": Object(
            {"width": Number(0, 100, above=True), "depth": Number(0, 100, above=True), "image_size": PIXELS},
            needed=("width", "depth", "image_size"),
        ),
        "num_classes": CLASSES,
        "image_size": PIXELS,
        "channels": CHANNELS,
        "data": SOURCE,
        "recipe": ANYTHING,  # what it has of one by itself, see `nas.joint.fields`
    },
    open=True,  # `nas show --json` writes more, for people
)
"""Either a baseline, or an architecture: with its space, the space's settings and options."""

JOB = Object(
    {
        "network": NETWORK,
        "data": SOURCE,
        "recipe": RECIPE,
        "seed": SEED,
        "device": TEXT,
        "threads": THREADS,
        "start": OrNull(
            Object({"weights": TEXT, "sha256": TEXT, "fresh": TEXTS}, needed=("weights", "sha256", "fresh"))
        ),
        "tuning": Object(
            {"freeze": TEXTS, "train_last": Optional(COUNT), "backbone_lr": Number(0, 1, above=True)},
            needed=("freeze", "train_last", "backbone_lr"),
        ),
        "teacher": OrNull(
            Object(
                {"network": NETWORK, "weights": TEXT, "sha256": TEXT},
                needed=("network", "weights", "sha256"),
            )
        ),
        "own": ANYTHING,  # of the recipe, see `nas.joint.fields`
    },
    needed=("network", "data", "recipe", "seed", "device", "threads", "start", "tuning"),
)

EPOCH = Object(
    {
        "number": COUNT,
        "loss": ANY_NUMBER,
        "val_accuracy": Optional(SHARE),
        "val_score": Optional(SCORE),
        "images": NATURAL,
        "seconds": TIME,
        "latency": Optional(TIME),
        "curve": ListOf(CURVE_POINT),
        "single_steps": TEXT,
    },
    needed=("number", "loss", "val_accuracy", "images", "seconds"),
    renamed={"looks": "curve"},
)
CHECKPOINT = Object(
    {
        "format": TEXT,
        "job": ANYTHING,
        "network": ANYTHING,
        "optimizer": ANYTHING,
        "generators": ANYTHING,
        "step": NATURAL,
        "epochs": ListOf(EPOCH),
        "average": ANYTHING,
        "best": ANYTHING,
    },
    needed=("format", "job", "network", "optimizer", "generators", "step", "epochs"),
)
"""A training's `checkpoint.pt`, whose job is one of `JOB`; the tensors are checked by what they are given to."""

TAKEN = Object(
    {
        "weights": TEXT,
        "tensors": NATURAL,
        "of": NATURAL,
        "fresh": TEXTS,
        "strided": TEXTS,
        "image_size": Optional(PIXELS),
        "grey": TEXTS,
    },
    needed=("weights", "tensors", "of", "fresh"),
)

TRAINING = Object(
    {"job": JOB, "taken": OrNull(TAKEN), "versions": MapOf(TEXT), "command": TEXTS},
    needed=("job", "taken", "versions"),
)
"""A training's `training.json`."""

MEANS = ListOf(SHARE, least=1, most=MOST_CHANNELS)  # one a channel
DEVIATIONS = ListOf(Number(1e-6), least=1, most=MOST_CHANNELS)
NAMES = ListOf(TEXT, least=1)  # of classes, of which there are two or more, or of labels or numbers

SOUP = Object(
    {
        "metric": TEXT,
        "mix": TEXT,
        "best": TEXT,
        "calibrated": NATURAL,
        "ingredients": ListOf(ANYTHING, least=1),
        "mixed": ListOf(Object({"name": TEXT, "members": TEXTS}, needed=("name", "members"), open=True), least=1),
        "steps": ListOf(ANYTHING, least=1),
        "gain": ANYTHING,
        "weights": MapOf(TEXT),
    },
    needed=("metric", "mix", "best", "mixed"),
)
"""Of which trainings a network is the mean, and how it came about: see `nas.soups.results`."""

RESULT = Object(
    {
        "network": TEXT,
        "test_accuracy": Optional(SHARE),
        "val_accuracy": Optional(SHARE),
        "test_score": SCORE,
        "val_score": SCORE,
        "task": Word(TASKS),
        "target_mean": ListOf(ANY_NUMBER),
        "target_std": ListOf(Number(0, above=True)),
        "by_number": MapOf(ListOf(ANY_NUMBER)),
        "scatter": ListOf(ListOf(ListOf(ANY_NUMBER, least=2, most=2), least=1)),
        "epoch": COUNT,
        "mean_iou": SHARE,
        "map": SHARE,
        "map50": SHARE,
        "map75": SHARE,
        "by_class": MapOf(ListOf(Optional(Number(0)))),
        "confusion": ListOf(ListOf(NATURAL)),
        "images": MapOf(NATURAL),
        "params": NATURAL,
        "macs": NATURAL,
        "activations": NATURAL,
        "seconds": TIME,
        "data": TEXT,
        "num_classes": CLASSES,
        "image_size": PIXELS,
        "channels": CHANNELS,
        "class_names": NAMES,
        "mean": MEANS,
        "std": DEVIATIONS,
        "fit": Word(FITS),
        "seed": SEED,
        "recipe": RECIPE,
        "start": OrNull(ANYTHING),
        "teacher": OrNull(ANYTHING),
        "soup": SOUP,
        "history": ListOf(
            Object({"epoch": COUNT, "loss": ANY_NUMBER, "val_accuracy": Optional(SHARE), "seconds": TIME}, open=True)
        ),
        "device": TEXT,
        "single_steps": TEXT,
        "threads": THREADS,
        "versions": MapOf(TEXT),
    },
    needed=("test_accuracy", "val_accuracy", "params", "macs"),
    open=True,  # nothing is decided by it
)
"""A training's `result.json`."""

TASK = Object(
    {
        "class_names": NAMES,
        "image_size": SIDE,
        "mean": MEANS,
        "std": DEVIATIONS,
        "fit": Word(FITS),
        "target_mean": ListOf(ANY_NUMBER),
        "target_std": ListOf(Number(0, above=True)),
    },
    needed=("class_names", "image_size", "mean", "std"),
)
"""What the metadata of files of weights say, each a text that is JSON."""
