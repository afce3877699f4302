"""The options that several commands have, each declared once, and the groups that they come in.

A group is a frozen dataclass, and a function takes the group that it needs: `choose_reward(goal: GoalOptions)`.
A command is made of groups (`nas.options.commands`). So a new option is a new field, here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from nas.checks.class_weights import ClassWeights
from nas.checks.costs import TIMEOUT
from nas.checks.kinds import (
    BYTES,
    FLAG,
    JOULES,
    LINE,
    NAMED,
    PLACE,
    SUBSET,
    TARGET,
    TIME,
    ASpace,
    ByName,
    Function,
    Several,
    SomeData,
)
from nas.checks.limits import (
    BATCH,
    CHANNELS,
    COST_WORKERS,
    COUNT,
    EPOCHS,
    EXPONENT,
    PART,
    PIXELS,
    RATE,
    SEED,
    SEEDS,
    THREADS,
    TRIALS,
    WORKERS,
    Number,
    Optional,
    Word,
)
from nas.checks.noted import METRICS, METRICS_OF
from nas.checks.schemas import ALPHA, FITS, POLICIES, RUNTIMES, TASKS
from nas.options import names, panels
from nas.options.option import Option, Options
from nas.text.settings import by_name, parse_settings
from nas.text.units import parse_names

Texts = Mapping[str, Any]
"""Values by their names; those that are texts are read as on the command line."""
Progress = Literal["none", "lines", "json"]

MAYBE_LINE = Optional(LINE)
MAYBE_PLACE = Optional(PLACE)

# ------------------------------------------------------------------- what to search

SpaceName = Annotated[
    Any,
    Option(
        ASpace(),
        f"{', '.join(names.SPACES)}, around:NETWORK, or a space of your own as mypackage.module:MySpace.",
        panels.SPACE,
        "Or a space itself.",
        completes="spaces",
    ),
]
SpaceSettings = Annotated[
    Texts | None,
    Option(
        Optional(ByName()),
        "A setting of the space, as in --space-set layers=12.",
        panels.SPACE,
        'All of them by their names: {"layers": 12}.',
        flags=("--space-set",),
        typed=list[str],
        read=lambda changes: parse_settings(",".join(changes)),
        metavar="NAME=VALUE",
    ),
]
Width = Annotated[
    float | None,
    Option(
        Optional(Number(0, 100, above=True)),
        "Width multiplier.",
        panels.SPACE,
        usual="1, or what fits --max-macs or --target-macs",
    ),
]
Vary = Annotated[
    str | None,
    Option(
        MAYBE_LINE,
        "What a space around:NETWORK changes, of width, depth, kernel, expand, groups, se, op, activation, stride.",
        panels.SPACE,
        usual="all that the network has but for stride",
    ),
]
Also = Annotated[
    str | Sequence[str] | None,
    Option(
        Optional(Several(LINE, 1)),
        "Fields of the recipe that each network has by itself, as lr,weight_decay,augment,resolution, around the "
        "recipe's own; or with their options, as in lr=0.02/0.05/0.1.",
        panels.SPACE,
        "One such text, or a list of them.",
        typed=list[str],
        metavar="FIELD[=A/B]",
    ),
]
Trials = Annotated[int | None, Option(Optional(TRIALS), "Stop after so many networks.", panels.SEARCHING)]
TimeBudget = Annotated[
    float | str | None, Option(TIME, "Stop after so long: 20m, 1h30m.", panels.SEARCHING, "Or seconds.")
]
Table = Annotated[
    Path | str | None,
    Option(
        MAYBE_PLACE,
        "The table: NAS-Bench-201's or NAS-Bench-Macro's file, or a CSV.",
        panels.SEARCHING,
    ),
]
LatencyTable = Annotated[
    Path | str | None,
    Option(MAYBE_PLACE, "The table of a device, by `nas latency-table`: latency is predicted.", panels.MEASURING),
]
StrategyName = Annotated[
    str,
    Option(
        LINE,
        f"{', '.join(names.STRATEGIES)}; or outside: make the run and train nothing, since other programs propose, by "
        "nas ask and nas tell.",
        panels.SEARCHING,
        completes="strategies",
    ),
]
StrategySettings = Annotated[
    Texts | None,
    Option(
        Optional(ByName()),
        "A setting of the strategy, as in --strategy-set entropy=0.01; an unknown one lists those that there are.",
        panels.SEARCHING,
        'All of them by their names: {"entropy": 0.01}.',
        flags=("--strategy-set",),
        typed=list[str],
        read=by_name,
        metavar="NAME=VALUE",
    ),
]
Seed = Annotated[int, Option(SEED, "Of the strategy and of every training.", panels.SEARCHING)]


@dataclass(frozen=True, kw_only=True)
class SpaceOptions(Options):
    """Which networks there are."""

    space: SpaceName = "mnas"
    settings: SpaceSettings = None
    width: Width = None
    vary: Vary = None

    @property
    def space_settings(self) -> dict[str, Any]:
        """What the space is told, by the names of its settings; all that is not said is as it has it."""
        return space_settings(self.settings, self.width, self.vary)


def space_settings(given: Texts | None, width: float | None = None, vary: str | None = None) -> dict[str, Any]:
    """The settings of a space by their names, of those that are `given` so, and of those that have options."""
    own = {"width": width, "vary": None if vary is None else parse_names(vary)}
    return dict(given or {}) | {name: value for name, value in own.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class StrategyOptions(Options):
    """By what they are chosen, and for how long."""

    strategy: StrategyName = "controller"
    strategy_settings: StrategySettings = None
    experience: Annotated[
        str | Sequence[str] | None,
        Option(
            Optional(Several(LINE, 1)),
            "Earlier searches to begin from, on whatever data: their results count as far as the trials here bear them "
            "out. Names of runs, experience.json files, builtin: what is in the package; or none.",
            panels.SEARCHING,
            usual="builtin, where that has the space on other data",
            metavar="RUN,RUN",
            completes="runs",
        ),
    ] = None
    trials: Trials = None
    budget: Annotated[
        float | str | None,
        Option(TIME, "Stop after so long: 20m, 1h30m.", panels.SEARCHING, "Or seconds.", usual="20m"),
    ] = None
    pruner: Annotated[
        str,
        Option(LINE, "Stop trainings early that promise little: asha, hyperband, median or none.", panels.SEARCHING),
    ] = "none"
    control: Annotated[
        bool,
        Option(
            FLAG,
            "Then spend an equal budget on random search, and say how they differ.",
            panels.SEARCHING,
        ),
    ] = False
    evaluator: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "train networks, look them up in a table of results, or judge them with a supernet's weights (--init).",
            panels.SEARCHING,
            usual="train; table where there is one; supernet where --init is one that was found to order networks well",
        ),
    ] = None
    table: Table = None
    seed: Seed = 0
    seeds: Annotated[
        int,
        Option(
            SEEDS,
            "Search so many times, with --seed and those after it, as NAME-seed0, NAME-seed1, ...: for a mean and a "
            "spread.",
            panels.SEARCHING,
        ),
    ] = 1


# ------------------------------------------------------------------- what to optimise


@dataclass(frozen=True, kw_only=True)
class GoalOptions(Options):
    """What makes one network better than another, and which are out of the question."""

    max_macs: Annotated[
        float | str | None,
        Option(
            TARGET,
            "Limit on multiply-adds, as in 10M. Where the space has a width, each network is made as wide as that "
            "allows (unless --width or --target-macs sets one width for all); networks that cost more are not trained.",
            panels.GOAL,
        ),
    ] = None
    max_params: Annotated[
        float | str | None, Option(TARGET, "The same for parameters, as in 500k; limits work together.", panels.GOAL)
    ] = None
    max_activations: Annotated[
        float | str | None, Option(TARGET, "For elements that layers put out for an image.", panels.GOAL)
    ] = None
    max_memory: Annotated[
        float | str | None,
        Option(BYTES, "For the RAM that int8 inference takes on a microcontroller, as in 64kB.", panels.GOAL),
    ] = None
    max_flash: Annotated[
        float | str | None, Option(BYTES, "For the flash that the int8 network takes, as in 256kB.", panels.GOAL)
    ] = None
    max_latency: Annotated[
        float | str | None,
        Option(
            TIME,
            "Limit on the time of one image, as in 20ms: measured before a network is trained, here or as "
            "--cost-command and --latency-runtime say. With --latency-table each network is made as wide as it allows.",
            panels.GOAL,
        ),
    ] = None
    max_energy: Annotated[
        float | str | None, Option(JOULES, "On its energy, as in 1.5mJ: see --cost-command.", panels.GOAL)
    ] = None
    limits: Annotated[
        Texts | None,
        Option(
            Optional(ByName()),
            "Limit on a cost of your own, see --cost-command.",
            panels.GOAL,
            'Limits of any costs by their names: {"memory": "64kB"}.',
            flags=("--max",),
            typed=list[str],
            read=by_name,
            metavar="COST=VALUE",
        ),
    ] = None
    target_macs: Annotated[
        float | str | None,
        Option(
            TARGET,
            "Wanted multiply-adds, as in 10M: not a limit as --max-macs is, but a preference, by --w. Several targets "
            "each have their factor in the reward.",
            panels.GOAL,
        ),
    ] = None
    target_params: Annotated[float | str | None, Option(TARGET, "Wanted parameters, as in 500k.", panels.GOAL)] = None
    target_activations: Annotated[
        float | str | None, Option(TARGET, "Wanted elements that layers put out.", panels.GOAL)
    ] = None
    target_memory: Annotated[
        float | str | None, Option(BYTES, "Wanted RAM on a microcontroller, as in 64kB.", panels.GOAL)
    ] = None
    target_flash: Annotated[
        float | str | None, Option(BYTES, "Wanted flash on a microcontroller, as in 256kB.", panels.GOAL)
    ] = None
    target_latency: Annotated[float | str | None, Option(TIME, "Wanted time of one image, as in 5ms.", panels.GOAL)] = (
        None
    )
    target_energy: Annotated[
        float | str | None, Option(JOULES, "Wanted energy of one image, as in 1.5mJ.", panels.GOAL)
    ] = None
    targets: Annotated[
        Texts | None,
        Option(
            Optional(ByName()),
            "Wanted figure of a cost of your own, see --cost-command.",
            panels.GOAL,
            'Those of any costs by their names: {"macs": "10M"}.',
            flags=("--target",),
            typed=list[str],
            read=by_name,
            metavar="COST=VALUE",
        ),
    ] = None
    w: Annotated[float, Option(EXPONENT, "Exponent of cost / target in the reward.", panels.GOAL)] = -0.07
    hard: Annotated[bool, Option(FLAG, "Cost nothing below the target, exponent -1 above it.", panels.GOAL)] = False
    objectives: Annotated[
        str | Sequence[str] | None,
        Option(
            Optional(Several(LINE, 1)),
            "Instead of one reward, as in accuracy,macs: search for all of a front. Any costs: params, memory, ...",
            panels.GOAL,
        ),
    ] = None
    signal: Annotated[
        str,
        Option(
            LINE,
            "What a training is judged by: accuracy on validation images, or loss, the mean training loss of its last "
            "epoch, as exp(-loss).",
            panels.GOAL,
        ),
    ] = "accuracy"


@dataclass(frozen=True, kw_only=True)
class ColumnOptions(Options):
    """Which further costs are found out of networks, and what their latency is measured by here."""

    costs: Annotated[
        str | Sequence[str] | None,
        Option(
            Optional(Several(LINE, 1)),
            "Further costs to find out of each network, as columns alone: memory,flash,latency.",
            panels.MEASURING,
        ),
    ] = None
    latency_runtime: Annotated[
        str,
        Option(
            Word(RUNTIMES),
            f"What latency is measured by on this machine: {', '.join(RUNTIMES)}.",
            panels.MEASURING,
            metavar="NAME",
        ),
    ] = RUNTIMES[0]


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(ColumnOptions):
    """How costs are found out where a network's layers do not tell them."""

    cost_commands: Annotated[
        Texts | None,
        Option(
            Optional(ByName()),
            "A command that measures a cost, as in latency='ssh pi ./bench {onnx}': it is given a network's file, "
            "{onnx}, {pt2}, {pte}, {standalone} or {tflite}, and the last line that it prints is the figure; that of "
            "latency,energy=... is a JSON object of both. See docs/device.md.",
            panels.MEASURING,
            'All of them by the names of costs: {"latency": "ssh pi ./bench {onnx}"}.',
            flags=("--cost-command",),
            typed=list[str],
            read=by_name,
            metavar="COST=COMMAND",
        ),
    ] = None
    cost_timeout: Annotated[
        float | str | None, Option(TIME, "How long such a command may take with one network.", panels.MEASURING)
    ] = TIMEOUT
    cost_workers: Annotated[
        int,
        Option(
            COST_WORKERS,
            "Networks that such commands measure at the same time; each finds its number, from 0, as NAS_COST_WORKER.",
            panels.MEASURING,
        ),
    ] = 1
    latency_table: LatencyTable = None


# ------------------------------------------------------------------- the images

DATA_HELP = (
    "cifar10, cifar100, shapes2 (built in; shapes is its first version); folder:PATH: folders of images, a folder a "
    "class, or a CSV of them; array:PATH; or module:function, which gives images."
)
GIVEN = "Or these: a torch Dataset, a pair (images, labels), or a dict of such by their splits."
Data = Annotated[Any, Option(SomeData(), DATA_HELP, panels.DATA, GIVEN, completes="data")]
OtherData = Annotated[
    Any,
    Option(
        Optional(SomeData()),
        DATA_HELP,
        panels.DATA,
        GIVEN,
        usual="what the network was searched on, else cifar10",
        completes="data",
    ),
]
DataDir = Annotated[
    Path | str | None,
    Option(
        MAYBE_PLACE,
        "Folder with the data set.",
        panels.DATA,
        usual="where it was, else $NAS_DATA, else a folder in the user's cache",
    ),
]
DataAgain = Annotated[
    Any,
    Option(
        Optional(SomeData()),
        "module:function, to read again what it gave where the copy in the cache is gone.",
        panels.DATA,
        GIVEN,
    ),
]


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Which images networks learn from, and at how many pixels."""

    data: OtherData = None
    data_dir: DataDir = None
    skip_unreadable: Annotated[
        bool, Option(FLAG, "Do without the images of a folder that cannot be read.", panels.DATA)
    ] = False
    group_by: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Keep images of one group in one split: those in whose paths a regular expression finds the same text, as "
            "in 'patient[0-9]+', or that have the same value in a column of a CSV.",
            panels.DATA,
            usual="the network's, where it comes from these images",
            metavar="REGEX|COLUMN",
        ),
    ] = None
    task: Annotated[
        str | None,
        Option(
            Optional(Word(TASKS)),
            "What an image's label is: classification (one class), multilabel (any number of labels), regression (one "
            "or more numbers), segmentation (a mask, with the class of each pixel), or detection (boxes around its "
            "objects, each with a class).",
            panels.DATA,
            usual="the network's, where it comes from these images, else as the data say",
        ),
    ] = None
    labels: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Columns of a CSV that have the labels, joined by commas: one with all labels of an image, or one of 0 and "
            "1 for each label, or one for each number. Of masks the names of their classes, from number 0 on.",
            panels.DATA,
            usual="the network's, where it comes from these images, else the column label or labels",
            metavar="COLUMN,COLUMN",
        ),
    ] = None
    fit: Annotated[
        str | None,
        Option(
            Optional(Word(FITS)),
            "How images of a folder that are no squares become such: crop, their centre, or pad, all of them, between "
            "grey bars.",
            panels.DATA,
            usual="the network's, where it comes from these images, else pad with masks, and crop",
        ),
    ] = None
    image_size: Annotated[
        int | None,
        Option(
            Optional(PIXELS),
            "Train at this many pixels a side; a folder of images needs it.",
            panels.DATA,
            usual="the network's or the data's own",
            flags=("--image-size", "--resolution"),
        ),
    ] = None
    channels: Annotated[
        int | None,
        Option(
            Optional(CHANNELS),
            "Channels of an image: 1 makes RGB images grey, 3 takes grey ones as RGB; arrays may have any number.",
            panels.DATA,
            usual="the network's or the data's own",
        ),
    ] = None


# ------------------------------------------------------------------- how to train

Subset = Annotated[int | str, Option(SUBSET, "Training images to use: 10k, say, or all.", panels.TRAINING)]
SomeSubset = Annotated[
    int | str | None,
    Option(
        Optional(SUBSET),
        "Training images to use: 10k, say, or all.",
        panels.TRAINING,
        usual="5k, 10k for more than ten classes, or all if fewer",
    ),
]
Epochs = Annotated[int, Option(EPOCHS, "Epochs of each training.", panels.TRAINING)]
BatchSize = Annotated[int, Option(BATCH, "Images a step.", panels.TRAINING)]
Rate = Annotated[float, Option(RATE, "Peak learning rate.", panels.TRAINING)]


@dataclass(frozen=True, kw_only=True)
class StepOptions(Options):
    """How a step of training goes. What `nas.training.recipe.Recipe` has by the same name is set by it."""

    batch_size: BatchSize = 64
    lr: Rate = 0.05
    flip: Annotated[
        bool,
        Option(
            FLAG,
            "Mirror half of the training images; --no-flip for digits, signs and text.",
            panels.TRAINING,
            flags=("--flip/--no-flip",),
        ),
    ] = True
    policy: Annotated[
        str, Option(Word(POLICIES), f"Further changes to images: {', '.join(POLICIES)}.", panels.TRAINING)
    ] = "none"
    mixup: Annotated[float, Option(ALPHA, "Mix images and labels: alpha, say 0.2; 0 is off.", panels.TRAINING)] = 0.0
    cutmix: Annotated[
        float, Option(ALPHA, "Put a part of one image into another: alpha, say 1; 0 is off.", panels.TRAINING)
    ] = 0.0
    recipe: Annotated[
        Texts | str | None,
        Option(
            Optional(ByName()),
            "Any other field of the recipe, as in --set label_smoothing=0.",
            panels.TRAINING,
            'All of them by their names: {"label_smoothing": 0}; or the name of a preset.',
            flags=("--set",),
            typed=list[str],
            read=by_name,
            metavar="NAME=VALUE",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(StepOptions):
    """How a network is trained.

    A `preset` sets what nobody gives besides: options, and as `recipe` the fields that no option has.
    """

    preset: Annotated[
        str | None,
        Option(
            Optional(Word(names.PRESETS)),
            f"A recipe by its name: {', '.join(names.PRESETS)}. What is given besides wins over it.",
            panels.TRAINING,
            "Or as recipe.",
            flags=("--recipe",),
            metavar="NAME",
            completes="presets",
        ),
    ] = None
    epochs: Epochs = 1
    subset: SomeSubset = None
    class_weights: Annotated[
        str | Mapping[str, float] | None,
        Option(
            ClassWeights(),
            "What images count in the loss: equal, or balanced, by which all classes count the same, or a .json or "
            ".csv file with a weight for each class.",
            panels.TRAINING,
            'Or the weights by the names of the classes: {"cat": 2, "dog": 1}.',
            usual="equal, or what the network was searched with",
        ),
    ] = None

    def __post_init__(self) -> None:
        if isinstance(self.recipe, str):
            if self.preset not in (None, self.recipe):
                raise ValueError(f"preset is {self.preset} and recipe {self.recipe}: give one of them")
            object.__setattr__(self, "preset", self.recipe)
            object.__setattr__(self, "recipe", None)
        super().__post_init__()
        if self.preset is not None:
            self._fill()

    def _fill(self) -> None:
        """Set what the preset says and nobody gave."""
        from nas.training.presets import PRESETS  # of a floor above, and no more than a dict

        assert self.preset is not None
        said = PRESETS[self.preset]
        options = {name for name in said if hasattr(self, name)}
        filled = options - self._given
        for name in filled:
            object.__setattr__(self, name, said[name])
        assert not isinstance(self.recipe, str)
        fields = {name: value for name, value in said.items() if name not in options}
        if fields:
            filled |= {"recipe"} if self.recipe is None else set()
            object.__setattr__(self, "recipe", fields | dict(self.recipe or {}))
        object.__setattr__(self, "_filled", frozenset(filled))


METRIC_HELP = "; ".join(f"of {task} {', '.join(metrics)}" for task, metrics in METRICS_OF.items())


@dataclass(frozen=True, kw_only=True)
class JudgingOptions(Options):
    """What networks are judged by."""

    metric: Annotated[
        str | None,
        Option(
            Optional(Word(METRICS)),
            f"What networks are judged by: {METRIC_HELP}.",
            panels.GOAL,
            usual="the first of these, or what the network was searched by",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class InitOptions(Options):
    """Which weights a training starts from."""

    init: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "Start from these weights: weights.safetensors of nas train, or a published checkpoint.",
            panels.START,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TuningOptions(Options):
    """Which of the weights that a training starts from it changes."""

    fresh: Annotated[
        str, Option(LINE, "With --init, rows that start with new weights all the same: conv1,fc", panels.START)
    ] = ""
    freeze: Annotated[
        str,
        Option(
            LINE,
            "Rows that are not trained, as in conv1,conv2_x; backbone: all but the classifier's.",
            panels.START,
        ),
    ] = ""
    train_last: Annotated[int | None, Option(Optional(COUNT), "Train the last so many rows only.", panels.START)] = None
    backbone_lr: Annotated[
        float,
        Option(PART, "Factor of the learning rate of what is trained before the last row.", panels.START, typed=float),
    ] = 1.0


@dataclass(frozen=True, kw_only=True)
class StartOptions(TuningOptions, InitOptions):
    """Which weights a training starts from, and which of them it changes."""


# ------------------------------------------------------------------- what to run on

Device = Annotated[str, Option(LINE, "cpu, cuda, cuda:1, ... or auto.", panels.MACHINE)]
Threads = Annotated[int, Option(THREADS, "CPU threads. Small networks gain little by more.", panels.MACHINE)]


@dataclass(frozen=True, kw_only=True)
class ThreadOptions(Options):
    """Of this machine, for what runs on CPUs alone."""

    threads: Threads = 1


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(ThreadOptions):
    """What computes, where one thing is done at a time."""

    device: Device = "auto"


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(Options):
    """What computes, where trials run at once."""

    workers: Annotated[
        int | None, Option(Optional(WORKERS), "Trials at once on CPUs, through Ray Tune.", panels.MACHINE)
    ] = None
    gpus: Annotated[int | None, Option(Optional(WORKERS), "GPUs to use, through Ray Tune.", panels.MACHINE)] = None
    gpus_per_trial: Annotated[
        float, Option(PART, "A trial's share of a GPU: 0.25 runs four on each.", panels.MACHINE)
    ] = 1.0
    address: Annotated[
        str | None, Option(MAYBE_LINE, "A running Ray cluster, as in auto or 10.0.0.1:6379.", panels.MACHINE)
    ] = None


@dataclass(frozen=True, kw_only=True)
class MachineOptions(DeviceOptions, ClusterOptions):
    """What computes: this process, or trials at once."""


# ------------------------------------------------------------------- what a file may do


TrustCommands = Annotated[
    bool,
    Option(
        FLAG,
        "Measure costs by the --cost-command that the run names, which is run by the shell.",
        panels.OPENING,
    ),
]


@dataclass(frozen=True, kw_only=True)
class TrustOptions(Options):
    """What a person may allow where runs and networks are opened, which others may have written."""

    trust_space: Annotated[
        str | Sequence[str],
        Option(
            Several(LINE),
            "A space of one's own that the run or file names, and whose code may be run for it.",
            panels.OPENING,
            typed=list[str],
            metavar="MODULE:CLASS",
            env="NAS_TRUST_SPACE",
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class OpeningOptions(TrustOptions):
    """The same of runs, whose ledger may be in a database."""

    storage: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "The database that the run's ledger is in: it is opened only if it is named here.",
            panels.OPENING,
            metavar="URL",
            env="NAS_STORAGE",
        ),
    ] = None


# ------------------------------------------------------------------- what is said, and where it goes

RunName = Annotated[str, Option(NAMED, "The run's name.", metavar="RUN", completes="runs", by_place=True)]
NETWORK = Option(
    NAMED,
    "RUN:best, RUN:17, a baseline (resnet20), mnas:..., or a .json file",
    metavar="NETWORK",
    completes="networks",
    by_place=True,
)
Network = Annotated[Path | str, NETWORK]
Head = Annotated[
    str | None,
    Option(
        Optional(Word(names.HEADS)),
        f"For --task segmentation or detection what says a class of each pixel, or finds objects, in the place of the "
        f"classifier: {', '.join(names.HEADS)}.",
        panels.NETWORKS,
        metavar="NAME",
    ),
]
ReportedRun = Annotated[
    str | None,
    Option(
        MAYBE_LINE,
        "Train nothing: say what it has found so far.",
        panels.OUTPUT,
        metavar="RUN",
        completes="runs",
    ),
]


@dataclass(frozen=True, kw_only=True)
class RunsOptions(Options):
    """Where runs are."""

    runs_dir: Annotated[Path | str, Option(PLACE, "Folder that holds the runs.", panels.OUTPUT, env="NAS_RUNS")] = (
        "runs"
    )


@dataclass(frozen=True, kw_only=True)
class PrintOptions(Options):
    """What is printed: nothing, lines for a person, or JSON for a program."""

    progress: Annotated[
        Progress,
        Option(
            Word(("none", "lines", "json")),
            "Print JSON for programs.",
            panels.OUTPUT,
            'Here "json"; "lines" is what the command prints.',
            flags=("--json",),
            typed=bool,
            read=lambda as_json: "json" if as_json else "lines",
        ),
    ] = "none"

    @property
    def as_json(self) -> bool:
        return self.progress == "json"


@dataclass(frozen=True, kw_only=True)
class OutputOptions(RunsOptions, PrintOptions):
    """Where results go, and what is said of them."""


OnTrial = Annotated[
    Callable[[Any], None] | None,
    Option(
        Optional(Function()),
        "Called with each trial when it has ended, but for those that were not trained, since they repeat a network or "
        "exceed the limit. What it raises ends the search.",
    ),
]
