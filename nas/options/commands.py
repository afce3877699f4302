"""What each command takes, and each function of `nas`: groups of options, and its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any

from nas.checks.kinds import FLAG, LINE, NAMED, PLACE, SUBSET, TARGET, TIME, ANetwork, Several, SomeData, SomeNetworks
from nas.checks.limits import CHANNELS, CLASSES, COST_WORKERS, COUNT, PIXELS, SEED, SEEDS, SHARE, Number, Optional, Word
from nas.checks.schemas import RUNTIMES, SHARINGS
from nas.options import names, panels
from nas.options.groups import (
    GIVEN,
    MAYBE_LINE,
    MAYBE_PLACE,
    NETWORK,
    Also,
    ClusterOptions,
    Data,
    DataAgain,
    DataDir,
    DataOptions,
    DeviceOptions,
    Epochs,
    GoalOptions,
    Head,
    InitOptions,
    JudgingOptions,
    LatencyTable,
    MachineOptions,
    MeasuringOptions,
    Network,
    OnTrial,
    OpeningOptions,
    OtherData,
    OutputOptions,
    PrintOptions,
    Rate,
    RunName,
    RunsOptions,
    SomeSubset,
    SpaceOptions,
    StartOptions,
    StepOptions,
    StrategyOptions,
    Subset,
    Table,
    ThreadOptions,
    TimeBudget,
    TrainingOptions,
    Trials,
    TrustCommands,
    TrustOptions,
    TuningOptions,
)
from nas.options.option import Option

Classes = Annotated[
    int | None,
    Option(Optional(CLASSES), "How many classes.", panels.SHAPE, usual="the weights', run's, space's or publication's"),
]
ImageSize = Annotated[
    int | None,
    Option(Optional(PIXELS), "Pixels a side.", panels.SHAPE, usual="the weights', run's, space's or publication's"),
]


Channels = Annotated[
    int | None,
    Option(Optional(CHANNELS), "Channels of an image: 1 of grey ones.", panels.SHAPE, usual="the run's, or 3"),
]


Networks = Annotated[
    str | Path | Sequence[str | Path],
    Option(
        Several(NAMED),
        "RUN (its best), RUN:17, RUN:top5, a baseline (resnet20), mnas:..., a .json file: any mix. resnet18+init=FILE "
        "begins from the weights of a file, as nas train --init does.",
        typed=list[str],
        metavar="NETWORK",
        completes="networks",
        by_place=True,
    ),
]


HowMany = Annotated[int, Option(COUNT, "How many networks.", panels.SEARCHING, flags=("--number", "-n"))]


@dataclass(frozen=True, kw_only=True)
class SearchOptions(
    SpaceOptions,
    StrategyOptions,
    GoalOptions,
    MeasuringOptions,
    JudgingOptions,
    DataOptions,
    TrainingOptions,
    InitOptions,
    MachineOptions,
    OutputOptions,
    TrustOptions,
):
    """Of `nas search` and `nas.search`."""

    data: Data = "cifar10"
    head: Annotated[
        str | None,
        Option(
            Optional(Word(names.HEADS)),
            "Of each network, for data with masks or boxes, what is in the place of the classifier: "
            f"{', '.join(names.HEADS)}. Costs and limits are of the whole.",
            panels.NETWORKS,
            usual="fcn8 with masks, ssdlite with boxes",
            metavar="NAME",
        ),
    ] = None
    also: Also = None
    final: Annotated[
        str | None,
        Option(
            Optional(Word(names.PRESETS)),
            "Then train its best longer, and the best of these to the end, by the recipe "
            f"{' or '.join(names.PRESETS)}: a network to ship.",
            panels.SEARCHING,
            metavar="NAME",
            completes="presets",
        ),
    ] = None
    final_share: Annotated[
        float,
        Option(
            Number(0.05, 0.95),
            "With --final, the share of --budget that is kept for that; of the time that --trials took, where there is "
            "no --budget. Half of it ranks the best anew.",
            panels.SEARCHING,
        ),
    ] = 0.5
    enqueue: Annotated[
        Path | str | Sequence[str] | None,
        Option(
            Optional(Several(NAMED, 1)),
            "A file of your own networks, which are the first trials: an architecture's text a line, comments after #.",
            panels.SEARCHING,
            "Or a list of such texts.",
            metavar="FILE",
        ),
    ] = None
    prior: Annotated[
        str | Sequence[str] | None,
        Option(
            Optional(Several(LINE, 1)),
            "How often options are drawn, as in stage1.op=basic:3,sep:0.5, or op=basic:3 for all choices of that kind; "
            "1 where nothing is said.",
            panels.SEARCHING,
            "One such text, or a list of them.",
            typed=list[str],
            metavar="CHOICE=OPTION:WEIGHT",
        ),
    ] = None
    name: Annotated[str | None, Option(MAYBE_LINE, "The run's name.", panels.OUTPUT, usual="SPACE-DATA-1, -2, ...")] = (
        None
    )
    storage: Annotated[
        str | None, Option(MAYBE_LINE, "A database URL for the ledger.", panels.OUTPUT, usual="a journal file")
    ] = None
    on_trial: OnTrial = None


@dataclass(frozen=True, kw_only=True)
class GoingOnOptions(PrintOptions):
    """Of all that goes on with a run: to which end, and where its data are now."""

    trials: Trials = None
    budget: TimeBudget = None
    data: DataAgain = None
    data_dir: DataDir = None
    table: Table = None
    latency_table: LatencyTable = None
    trust_commands: TrustCommands = False


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(GoingOnOptions, ClusterOptions):
    """Of `Run.resume`, and with the run's name of `nas resume`."""

    device: Annotated[
        str | None, Option(MAYBE_LINE, "cpu, cuda, ...", panels.MACHINE, usual="what the run began on")
    ] = None
    cost_workers: Annotated[
        int | None,
        Option(
            Optional(COST_WORKERS),
            "Networks that its --cost-command measures at the same time.",
            panels.MACHINE,
            usual="as it began",
        ),
    ] = None
    on_trial: OnTrial = None


@dataclass(frozen=True)
class AskOptions(GoingOnOptions):
    """Of `Run.ask`."""

    number: HowMany = 1


@dataclass(frozen=True)
class TellOptions(ResumeOptions):
    """Of `Run.tell`."""

    networks: Annotated[
        Any,
        Option(
            SomeNetworks(),
            "A network: its text, the trial that was asked for or its number, or a dict of these with a result. Or a "
            "list of them.",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    accuracy: Annotated[
        float | None,
        Option(
            Optional(SHARE),
            "On validation images, 0 to 1, where the network was trained elsewhere. In a dict also score (by the run's "
            "metric), loss, seconds, costs, or failed: why.",
        ),
    ] = None


@dataclass(frozen=True)
class TrainOptions(DataOptions, StartOptions, TrainingOptions, JudgingOptions, DeviceOptions, OutputOptions):
    """Of `nas train` and `nas.train`."""

    network: Network
    _: KW_ONLY
    head: Head = None
    epochs: Epochs = 10
    subset: SomeSubset = "all"
    seed: Annotated[int, Option(SEED, "Of the weights and the order of images.", panels.TRAINING)] = 0
    teacher: Annotated[
        Path | str | None,
        Option(
            Optional(NAMED),
            "Also learn from this trained network, which has the same classes: RUN:best or RUN:17, nas train's folder.",
            panels.TRAINING,
            metavar="NETWORK",
            completes="networks",
        ),
    ] = None
    out: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "Folder for weights and architecture.",
            panels.OUTPUT,
            usual="a trial's in its run, where nas predict and nas export find it, else NAME-trained",
        ),
    ] = None


@dataclass(frozen=True)
class CompareOptions(
    MeasuringOptions, DataOptions, TuningOptions, TrainingOptions, JudgingOptions, MachineOptions, OutputOptions
):
    """Of `nas compare` and `nas.compare`."""

    networks: Networks
    _: KW_ONLY
    epochs: Epochs = 3
    subset: Subset = "all"
    baselines: Annotated[
        str | None,
        Option(
            Optional(NAMED),
            "More of them, joined by commas; small: a reference or two of each family; all-cifar: the zoo's for small "
            "images; none.",
            panels.NETWORKS,
            usual="beside found networks alone resnet8, resnet20 and mobilenet_v2, with --match-macs",
        ),
    ] = None
    match_macs: Annotated[
        bool | None,
        Option(
            Optional(FLAG),
            "Make each baseline as wide as the found network's MACs allow, or leave baselines as they are.",
            panels.NETWORKS,
            flags=("--match-macs/--as-named",),
        ),
    ] = None
    equal_seconds: Annotated[
        bool,
        Option(FLAG, "Then train all once more, each for as long as the found one took.", panels.COMPARISON),
    ] = False
    ensemble: Annotated[
        bool,
        Option(FLAG, "Also average the class probabilities: of a network's seeds, of all networks.", panels.COMPARISON),
    ] = False
    seeds: Annotated[int, Option(SEEDS, "Trainings of each network, seeds 0, 1, ...", panels.TRAINING)] = 3
    name: Annotated[str | None, Option(MAYBE_LINE, "Of the run.", panels.OUTPUT, usual="compare-1, -2, ...")] = None
    trust_commands: TrustCommands = False


@dataclass(frozen=True)
class FuseOptions(JudgingOptions, DeviceOptions, OutputOptions):
    """Of `nas fuse` and `nas.fuse`."""

    networks: Annotated[
        str | Path | Sequence[str | Path],
        Option(
            Several(NAMED, 1),
            "What was trained: nas train's folders, RUN:best, RUN:17, resnet18+init=FILE: a network with its weights "
            "in a file. Or a run of nas compare --ensemble.",
            typed=list[str],
            metavar="NETWORK",
            completes="networks",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    by_class: Annotated[
        bool,
        Option(FLAG, "Also fit weights of each network for each class, label or number.", panels.COMPARISON),
    ] = False
    data: OtherData = None
    data_dir: DataDir = None
    out: Annotated[
        Path | str | None, Option(MAYBE_PLACE, "File for all figures, as JSON.", panels.OUTPUT, metavar="FILE")
    ] = None


@dataclass(frozen=True)
class SoupOptions(DataOptions, StartOptions, TrainingOptions, JudgingOptions, DeviceOptions, OutputOptions):
    """Of `nas soup` and `nas.soup`."""

    networks: Annotated[
        str | Path | Sequence[str | Path],
        Option(
            Several(NAMED, 1),
            "Trainings of one architecture: nas train's folders, RUN:best, resnet18+init=FILE: a network with its "
            "weights in a file. With --members the network to fine-tune.",
            typed=list[str],
            metavar="NETWORK",
            completes="networks",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    members: Annotated[
        int | None,
        Option(
            Optional(Number(2, 100, whole=True)),
            "First make so many fine-tunings of --init: with other seeds, and learning rates, weight decays, "
            "augmentations around the recipe's own.",
            panels.NETWORKS,
        ),
    ] = None
    mix: Annotated[
        str,
        Option(
            Word(names.SOUPS),
            "Which soup is kept: greedy, of those that do not make it worse on validation images, or uniform, of all.",
            panels.NETWORKS,
        ),
    ] = names.SOUPS[0]
    epochs: Epochs = 3
    lr: Rate = 0.01
    subset: SomeSubset = "all"
    seed: Annotated[
        int, Option(SEED, "Of the first fine-tuning, and of what is drawn for the others.", panels.TRAINING)
    ] = 0
    out: Annotated[Path | str | None, Option(MAYBE_PLACE, "Folder for the soup.", panels.OUTPUT, usual="NAME-soup")] = (
        None
    )


@dataclass(frozen=True)
class ExportOptions(DataOptions, ThreadOptions, OutputOptions):
    """Of `nas export` and `nas.export`."""

    network: Network
    _: KW_ONLY
    to: Annotated[
        str | Sequence[str],
        Option(
            Several(LINE, 1),
            "Formats, joined by commas: standalone (Python, and its weights), state_dict, onnx, pt2, pte, tflite.",
            panels.FORMATS,
        ),
    ] = "standalone,state_dict"
    out: Annotated[
        Path | str | None, Option(MAYBE_PLACE, "Folder for the files.", panels.OUTPUT, usual="NAME-exported")
    ] = None
    weights: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "weights.safetensors of nas train, or a published checkpoint.",
            panels.FORMATS,
            usual="what nas train made of it",
        ),
    ] = None
    untrained: Annotated[
        bool, Option(FLAG, "Write random weights: the network as it is before any training.", panels.FORMATS)
    ] = False
    image_size: ImageSize = None
    classes: Classes = None
    fold_bn: Annotated[bool, Option(FLAG, "Have convolutions do what batch norms do.", panels.CHANGES)] = False
    prune: Annotated[
        float | None,
        Option(Optional(SHARE), "Set this share of the weights to zero, the smallest: 0.5, say.", panels.CHANGES),
    ] = None
    quantize: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Also in int8 (onnx, pt2, pte): static (by training images), or dynamic (linear layers alone, pt2).",
            panels.CHANGES,
        ),
    ] = None
    data: Annotated[
        Any,
        Option(
            Optional(SomeData()),
            "Measure accuracy and speed on its validation images.",
            panels.DATA,
            GIVEN,
            usual="what it was trained on, where --test, --quantize static or tflite need images",
            completes="data",
        ),
    ] = None
    test: Annotated[bool, Option(FLAG, "Also test accuracy, before and after.", panels.DATA)] = False
    license: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Of the weights, for their model card: apache-2.0, cc-by-4.0, ...",
            panels.OUTPUT,
            usual="unknown",
        ),
    ] = None


@dataclass(frozen=True)
class PredictOptions(ThreadOptions, RunsOptions):
    """Of `nas.predict`, and with how it is printed of `nas predict`."""

    network: Annotated[
        Path | str,
        Option(
            NAMED,
            "What was trained: RUN:best or RUN:17, nas train's folder, an exported .onnx, .pt2, .pte or .tflite file.",
            metavar="NETWORK",
            completes="networks",
            by_place=True,
        ),
    ]
    images: Annotated[
        Path | str | Sequence[Path | str],
        Option(
            Several(PLACE, 1),
            "Image files, and folders of them.",
            typed=list[Path],
            metavar="IMAGE",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    weights: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "weights.safetensors of nas train, for a network that has none by its name.",
            panels.NETWORKS,
        ),
    ] = None


@dataclass(frozen=True)
class LookOptions(DataOptions, ThreadOptions, OutputOptions):
    """Of `nas look` and `nas.look`."""

    network: Network
    _: KW_ONLY
    weights: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "weights.safetensors of nas train, or a published checkpoint.",
            panels.NETWORKS,
            usual="what nas train made of it, else random ones, which the page says",
        ),
    ] = None
    layers: Annotated[
        str,
        Option(
            LINE,
            "Whose filters are shown: stages (the first layer, and the last of each size of map), all, or names joined "
            "by commas; an unknown one lists those that there are.",
            panels.SEEING,
            metavar="NAME,NAME",
        ),
    ] = "stages"
    filters: Annotated[
        int, Option(Number(1, 1000, whole=True), "Filters of each layer, drawn by --seed.", panels.SEEING)
    ] = 6
    patches: Annotated[int, Option(Number(1, 100, whole=True), "Patches of each filter.", panels.SEEING)] = 4
    among: Annotated[
        int | str,
        Option(SUBSET, "Validation images that these are looked for in: 5k, say, or all.", panels.SEEING),
    ] = 1000
    class_pictures: Annotated[
        int, Option(Number(1, 1000, whole=True), "Classes that are maximised.", panels.SEEING)
    ] = 10
    steps: Annotated[
        int, Option(Number(1, 100_000, whole=True), "Steps in which they are maximised.", panels.SEEING)
    ] = 256
    images: Annotated[
        Path | str | Sequence[Path | str] | None,
        Option(
            Optional(Several(PLACE, 1)),
            "A photograph to explain, or a folder of them; may be given several times.",
            panels.SEEING,
            "Or a list of them.",
            usual="validation images, half of them such as the network has wrong",
            typed=list[Path],
            metavar="IMAGE",
        ),
    ] = None
    photographs: Annotated[
        int, Option(Number(1, 100, whole=True), "How many validation images are explained.", panels.SEEING)
    ] = 4
    seed: Annotated[
        int, Option(SEED, "Of the images, the filters and the noise that classes are made of.", panels.SEEING)
    ] = 0
    out: Annotated[Path | str | None, Option(MAYBE_PLACE, "The page.", panels.OUTPUT, usual="NETWORK-look.html")] = None


@dataclass(frozen=True)
class OpenOptions(OpeningOptions, RunsOptions):
    """Of `nas.open`."""

    run: RunName


@dataclass(frozen=True)
class LoadOptions(TrustOptions, RunsOptions):
    """Of `nas.load`."""

    target: Annotated[Path | str, NETWORK]


@dataclass(frozen=True)
class BackboneOptions(TrustOptions, RunsOptions):
    """Of `nas.backbone`."""

    target: Annotated[
        Any,
        Option(
            ANetwork(),
            "RUN:best, RUN:17, a baseline (resnet20), mnas:..., around:NETWORK, a .json file.",
            python="Or an nn.Module, which becomes a part of it.",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    image_size: ImageSize = None
    channels: Channels = None
    strides: Annotated[
        Sequence[int] | None,
        Option(
            Optional(Several(Number(1, 1024, whole=True), 1)),
            "The strides whose maps are wanted, such as (4, 8, 16, 32).",
            panels.SHAPE,
            usual="all that the network goes through",
        ),
    ] = None
    output_stride: Annotated[
        int | None,
        Option(
            Optional(Number(1, 1024, whole=True)),
            "The largest stride that is to be: convolutions after it are dilated in place of further strides.",
            panels.SHAPE,
        ),
    ] = None
    weights: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "Weights for it, of nas train or a checkpoint.",
            panels.NETWORKS,
            usual="those of its training, else random",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LatencyTableOptions(SpaceOptions, DeviceOptions, PrintOptions):
    """Of `nas latency-table` and `nas.latency_table`."""

    max_macs: Annotated[
        float | str | None,
        Option(
            TARGET,
            "Each network is as wide as so many multiply-adds allow, as in 10M: about as in the search that it is for.",
            panels.SPACE,
        ),
    ] = None
    image_size: Annotated[int, Option(PIXELS, "Pixels a side of the images of that search.", panels.SHAPE)] = 32
    channels: Annotated[int, Option(CHANNELS, "Channels of an image: 1 of grey ones.", panels.SHAPE)] = 3
    classes: Annotated[int, Option(CLASSES, "How many classes.", panels.SHAPE)] = 10
    rows: Annotated[
        int, Option(Number(0, 10_000, whole=True), "Rows of networks to measure, once each.", panels.MEASURING)
    ] = 200
    networks: Annotated[
        int, Option(Number(8, 10_000, whole=True), "Whole networks to measure, twice each.", panels.MEASURING)
    ] = 60
    budget: Annotated[
        float | str | None,
        Option(TIME, "Stop after so long: 20m, 1h30m.", panels.MEASURING, "Or seconds.", usual="measure all"),
    ] = None
    seed: Annotated[int, Option(SEED, "By which networks and rows are drawn.", panels.MEASURING)] = 0
    latency_runtime: Annotated[
        str,
        Option(
            Word(RUNTIMES),
            f"What runs the networks here: {', '.join(RUNTIMES)}.",
            panels.MACHINE,
        ),
    ] = "pytorch"
    cost_command: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Measure on a device by a command of your own, as in latency='ssh pi ./bench {onnx}'.",
            panels.MACHINE,
            metavar="NAME=COMMAND",
        ),
    ] = None
    out: Annotated[
        Path | str | None,
        Option(
            MAYBE_PLACE,
            "File of the table. One that is not finished is gone on with.",
            panels.OUTPUT,
            usual="SPACE-latency.json",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SupernetOptions(SpaceOptions, DataOptions, StepOptions, DeviceOptions, OutputOptions, TrustOptions):
    """Of `nas supernet` and `nas.supernet`."""

    share: Annotated[
        str,
        Option(
            Word(SHARINGS),
            "Which weights networks have in common: elastic, smaller layers are parts of larger ones; or single-path, "
            "each operation has its own.",
            panels.TRAINING,
            metavar="WAY",
        ),
    ] = SHARINGS[0]
    data: Data = "cifar10"
    epochs: Epochs = 30
    subset: Subset = "all"
    seed: Annotated[
        int, Option(SEED, "Of the weights, and of the networks that batches go through.", panels.TRAINING)
    ] = 0
    truth: Annotated[
        Path | str | None,
        Option(
            Optional(NAMED),
            "What its order of networks is compared with when it is trained: a table of published results, or a run "
            "that trained networks of the space.",
            panels.COMPARISON,
            metavar="TABLE|RUN",
        ),
    ] = None
    networks: Annotated[
        int, Option(Number(10, 100_000, whole=True), "Of these, how many are judged.", panels.COMPARISON)
    ] = 100
    out: Annotated[
        Path | str | None,
        Option(MAYBE_PLACE, "Folder for the weights.", panels.OUTPUT, usual="SPACE-DATA-supernet"),
    ] = None
