"""What a search left, to use from Python: a run, its trials, and networks to build."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nas.checks.limits import CLASSES, COUNT, PIXELS
from nas.data.images import RGB, Dataset
from nas.data.source import DataSource, given_again
from nas.devices.device import choose_device
from nas.exports.target import read_source
from nas.final import shipping
from nas.joint.fields import as_text
from nas.ledger import beside, finals, repeats, run
from nas.ledger.config import Budget
from nas.ledger.run import TrialRow, rank
from nas.network import Network
from nas.options.commands import AskOptions, GoingOnOptions, ResumeOptions, TellOptions
from nas.options.option import method_takes, number, path
from nas.references.origin import data_of, document_of
from nas.samplers.strategy import Update
from nas.samplers.strategy_sampler import updates_of
from nas.searching import choices, control, driver, outside
from nas.searching.plan import going_on, place
from nas.searching.progress import Output
from nas.searching.telling import Told
from nas.searching.terminal import watch_one
from nas.training.shared import Shared
from nas.weight_sharing import job
from searchspaces.cost import Cost, cost_of
from searchspaces.space import Option

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


@dataclass(frozen=True)
class Blueprint:
    """A network to build, and what for: so many classes, and images of so many pixels a side, unless told otherwise.

    `data` are those that it was searched or trained on; None of one that comes from nowhere.
    """

    network: Network
    num_classes: int
    image_size: int
    data: DataSource | None = None
    channels: int = RGB  # of an image
    recipe: Mapping[str, Option] = field(default_factory=dict, hash=False)  # what it has of one by itself

    @property
    def name(self) -> str:
        """As tables have it: `resnet20`, `mnas:1a2b3c4d`."""
        return self.network.name

    @property
    def text(self) -> str:
        """What `nas.load` and every command take for it."""
        return f"{self.network.text}{as_text(self.recipe)}"

    @property
    def cost(self) -> Cost:
        """Parameters, and multiply-adds and activations of one image. No weights are allocated for it."""
        return cost_of(self.build, self.image_size, self.channels)

    def build(self, num_classes: int | None = None, image_size: int | None = None) -> nn.Module:
        """A new network, its weights random: images `[B, C, image_size, image_size]` -> logits `[B, num_classes]`.

        Raises ValueError where it does not take such images.
        """
        return self.network.build(
            CLASSES.checked("num_classes", self.num_classes if num_classes is None else num_classes),
            PIXELS.checked("image_size", self.image_size if image_size is None else image_size),
            self.channels,
        )

    def to_json(self) -> str:
        """What `nas.load` and every command take from a file: with the classes, the pixels and the data."""
        shape = self.num_classes, self.image_size
        return document_of(self.network, shape, self.data, self.channels, self.recipe)


@dataclass(frozen=True)
class Trial(TrialRow):
    """One trial of a run: what was tried, and what came of it.

    `state` is complete, pruned, failed or running, `reason` why. `arch` is a tuple of option indices, `accuracy` of
    validation images, 0 to 1; `macs`, `params` and `activations` are of one image, `latency` in seconds of one. What
    is not known is None.
    """

    blueprint: Blueprint = field(repr=False)

    @property
    def val_accuracy(self) -> float | None:
        """On validation images, 0 to 1. A search sees no test image."""
        return self.accuracy

    @property
    def text(self) -> str:
        """The architecture as `nas.load` and every command take it."""
        return self.blueprint.text

    def build(self, num_classes: int | None = None, image_size: int | None = None) -> nn.Module:
        """A new network, its weights random: images `[B, C, image_size, image_size]` -> logits `[B, num_classes]`.

        Classes and pixels are by default those that it was searched for.
        """
        return self.blueprint.build(num_classes, image_size)


@dataclass(frozen=True)
class Trained:
    """A training that has ended, in the folder `path`; `result` is what its result.json says."""

    path: Path
    result: dict[str, Any] = field(repr=False)

    @property
    def val_accuracy(self) -> float | None:
        """On validation images after the last epoch, 0 to 1; None of regression."""
        return self._share("val_accuracy")

    @property
    def test_accuracy(self) -> float | None:
        """On test images, which were looked at once, after the last epoch: 0 to 1; None of regression."""
        return self._share("test_accuracy")

    def _share(self, name: str) -> float | None:
        return None if self.result[name] is None else float(self.result[name])

    def load(self) -> nn.Module:
        """The trained network, ready to predict: images `[B, C, H, W]`, normalised as in training, to logits."""
        return read_source(str(self.path.resolve()), None, self.path).module.eval()


@dataclass(frozen=True)
class SharedWeights:
    """A supernet that was trained, in the folder `path`: for `nas.search(init=path)`. `of` says what it is."""

    path: Path
    of: Shared

    @property
    def in_words(self) -> str:
        """What came of it, and what to do with it."""
        return job.in_words(self.of, self.path)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self.of) | {"path": str(self.path)}


class Run(run.Run):
    """A run on disk, at work, ended or interrupted: `path`, `name`, `config`, `budget`, and its ledger.

    `study` is the ledger as an Optuna study. What is asked for is read anew from the ledger each time.
    """

    ended = ""
    """Why the search that this process did of it ended; after `ask` and `tell`, why they did less than was wanted."""
    _read: Dataset | None = None

    @property
    def trials(self) -> list[Trial]:
        """All of them, in the order in which they were proposed."""
        return [self.trial(row) for row in self.rows() if row.arch]

    @property
    def best(self) -> Trial:
        """The completed trial of the highest reward; with several objectives, of the highest accuracy.

        Raises ValueError where there is none.
        """
        return self.trial(self.best_row())

    def top(self, count: int) -> list[Trial]:
        """The best `count` trials, the best first; fewer where fewer are complete."""
        COUNT.checked("count", count)
        complete = [row for row in rank(self.rows()) if row.reward is not None]
        return [self.trial(row) for row in complete[:count]]

    @property
    def control(self) -> Run | None:
        """The random search with an equal budget that stands beside it, if one was begun."""
        found = control.find(self)
        return Run.open(found.path, self.storage_url) if found else None

    @property
    def final(self) -> Trained | None:
        """The network that was trained to the end after it, where `final` asked for that; None as long as it is not."""
        result = shipping.result_of(self)
        return None if result is None else Trained(self.path / finals.FOLDER, result)

    @property
    def repeats(self) -> list[Run]:
        """The searches with other seeds that it was begun with, itself among them; it alone where there are none."""
        found = repeats.find(self.path.with_name(repeats.name_of(self)))
        return [Run.open(path, self.storage_url) for path in found] or [self]

    @property
    def updates(self) -> list[Update]:
        """What each update of the policy did, in order, and after which trial.

        None where the strategy has no policy, with several objectives, and in a run that an older version made, as long
        as it is not resumed.
        """
        return updates_of(self.study)

    def trial(self, row: TrialRow) -> Trial:
        """`row` of the ledger with its network."""
        network = self.network(row)
        shape, data = self.config.shape_of(network), data_of(self, network)
        return Trial(**vars(row), blueprint=Blueprint(network, *shape, data, data.channels, row.recipe))

    def row_callback(self, on_trial: Callable[[Trial], None] | None) -> Callable[[TrialRow], None] | None:
        """`on_trial` for the rows that a search notes."""
        return None if on_trial is None else lambda row: on_trial(self.trial(row)) if row.arch else None

    @method_takes(ResumeOptions)
    def resume(self, asked: ResumeOptions) -> Run:
        """Continue it, however it ended, and its control where it has one; returns it when it has ended again.

        With a new total of `trials` or `budget` it goes on beyond its end. `data_dir`, `table` and `latency_table` say
        where the data or the tables are now, `device`, `workers`, `gpus` and `address` what computes, `cost_workers`
        how many networks its commands measure at once.

        Raises:
            ValueError: Where another process drives it, or its data are no longer the same.
        """
        output, limit = Output(asked.progress), self._limit(asked)
        cluster = self._cluster(asked)
        if limit != self.budget and self.config.final is not None and finals.has_begun(self):
            raise ValueError(
                f"{self.name} has chosen the best of its networks for its end: leave out --trials and --budget, or "
                "begin a new search"
            )
        random = control.complete(self)
        for one in (self, random):
            if one is not None and one.in_database:
                one.database()  # whether it is named, before the data are read
        self._say_what_moved(output)
        source = self._source(asked, output)
        config = self.config
        dataset = choices.load_data(source, output, config.table)
        where = cluster.device if cluster else choose_device(asked.device or config.device, config.threads)
        if config.workload.tests:
            dataset = choices.with_test(dataset, source, output)
        output.say(going_on(self.name, config.data, limit, "" if config.table else place(where, cluster)))
        self.ended = driver.to_the_end(
            self, limit, dataset, where, cluster, output, self.row_callback(asked.on_trial), asked.cost_workers
        )
        alone = choices.place_alone(where, cluster, config.threads)
        shipping.finish(self, dataset, alone, output, path(asked.data_dir), asked.data)
        return self

    @method_takes(AskOptions)
    def ask(self, asked: AskOptions) -> list[Trial]:
        """Networks to train elsewhere, that the run's own strategy proposes: trials, which are running until told.

        They are within the limits, and fewer than asked for where the run ends before. In a run of `strategy="outside"`
        they are random. Other processes that ask or tell wait for each other.

        Raises:
            ValueError: Where there is none, with why.
        """
        return [self.trial(row) for row in self.asked(asked).rows]

    def asked(self, asked: AskOptions) -> outside.Answer:
        """What `ask` gives, and what is left of the run."""
        output, limit = Output(asked.progress), self._limit(asked)
        dataset = self._images(asked, output)
        with contextlib.closing(watch_one(output.kind, self.name)) as shown:
            answer = outside.ask(self, limit, dataset, asked.number, shown)
        self.ended = answer.ended
        return answer

    @method_takes(TellOptions)
    def tell(self, asked: TellOptions) -> Trial | list[Trial]:
        """Have a network of your own choice trained by the run's recipe, or tell what came of it elsewhere.

        `run.tell("nasbench201:...")` trains it now, within the run's limits, and returns its trial; a network that is
        above them is refused, and that is its result. `run.tell(trial, accuracy=0.61)` notes a result, and that it is
        from outside. Of a list of networks a list comes back, in which those are that the run had room for. Other
        processes that ask or tell wait for each other.

        Raises:
            ValueError: Where there is no such network, it has a result already, or nothing is left to do, with why.
        """
        answer = self.told(asked)
        trials = [self.trial(row) for row in answer.rows]
        return trials if isinstance(asked.networks, list | tuple) else trials[0]

    def told(self, asked: TellOptions) -> outside.Answer:
        """What `tell` is given, and what is left of the run."""
        output, limit = Output(asked.progress), self._limit(asked)
        cluster = self._cluster(asked)
        given = asked.networks if isinstance(asked.networks, list | tuple) else [asked.networks]
        if asked.accuracy is not None:
            if isinstance(asked.networks, list | tuple | Mapping):
                raise ValueError("accuracy is of one network: tell each of a list as a dict with its own")
            given = [_as_dict(asked.networks) | {"accuracy": asked.accuracy}]
        told = [Told.read(_as_dict(one), self.config) for one in given]
        dataset = self._images(asked, output)
        where = cluster.device if cluster else choose_device(asked.device or self.config.device, self.config.threads)
        try:
            with contextlib.closing(watch_one(output.kind, self.name)) as shown:
                answer = outside.tell(self, limit, dataset, where, cluster, told, shown, asked.cost_workers)
        except KeyboardInterrupt as stop:
            goes_on = f"`nas tell {self.name}` of the same, or `nas resume {self.name}`, does it again."
            output.say(" ".join([*getattr(stop, "__notes__", ["stopped."]), goes_on]))
            raise
        self.ended = answer.ended
        return answer

    def _limit(self, asked: GoingOnOptions) -> Budget:
        """Where it ends. Raises ValueError where commands are not trusted, or what follows it has begun."""
        limit = self.budget
        self.config.measuring.check_trusted(self.name, asked.trust_commands)
        if asked.trials is not None or asked.budget is not None:
            limit = Budget(asked.trials, None if asked.budget is None else number(asked.budget), limit.timing)
        return limit

    def _cluster(self, asked: ResumeOptions) -> Cluster | None:
        """What trains at once. Raises ValueError where this cannot be, or has no use."""
        if asked.cost_workers is not None and not self.config.measuring.commands:
            raise ValueError(f"{self.name} has no --cost-command: leave out --cost-workers")
        cluster = choices.choose_cluster(asked, self.config.threads)
        choices.check_latency(self.config, cluster)
        return cluster

    def _source(self, asked: GoingOnOptions, output: Output) -> DataSource:
        """Its images, where they are now."""
        if asked.table is not None:
            self.config = choices.with_table_at(Path(asked.table), self.config)
        if asked.latency_table is not None:
            self.config = choices.with_latency_table_at(Path(asked.latency_table), self.config)
        source = self.config.source.again(path(asked.data_dir))
        return source if asked.data is None else given_again(asked.data, source, "run", output.log)

    def _images(self, asked: GoingOnOptions, output: Output) -> Dataset:
        """Its images, which are read once for all that is asked and told."""
        if self.config.final is not None and finals.has_begun(self):
            raise ValueError(f"{self.name} has chosen the best of its networks for its end: begin a new search")
        if self._read is None or asked.changed("data", "data_dir", "table"):
            self._read = choices.load_data(self._source(asked, output), output, self.config.table)
        return self._read

    def _say_what_moved(self, output: Output) -> None:
        """Where its folder is not what it was made as, and that has consequences."""
        if self.in_database and self.identity.study not in ("", self.name):
            output.say(f"{self.name} was {self.identity.study}, and goes on with that study of its database")
        if note := beside.note_of_loss(self, control.RANDOM):
            output.say(note)


def _as_dict(network: Any) -> dict[str, Any]:
    """What `tell` is given of one network, by the names of what it says."""
    if isinstance(network, Mapping):
        return dict(network)
    return {"text": network} if isinstance(network, str) else {"trial": getattr(network, "number", network)}
