"""What a search of many trials costs as it grows: time to ask and to tell, memory, and the size of its ledger.

    OMP_NUM_THREADS=1 python benchmarks/soak.py --strategy controller --folder runs/soak
    OMP_NUM_THREADS=1 python benchmarks/soak.py --resumed

A search of 40 choices, those of the space `compact`, is driven to its end with trainings that take no time: a network's
accuracy is a made-up function of its choices. All else is as in `nas search`: the strategy learns, the ledger is
written to disk. Only that every network is one of a single layer here: to build and count one of `compact` takes some
20 ms, the first or the last, and would be most of what is measured. At every `--every` trials a line says what those
since the last line took, in the mean: the time to ask and to tell is CPU time of one core, without waits for the disk.

`--resumed` compares all strategies: each goes on from a ledger of so many random trials, some finished ones are asked
for and told, and the first proposal, for which it learns from all trials before it, is shown by itself.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import create_trial
from torch import nn

from nas.data import without_images
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.network import Found
from nas.reward import Reward
from nas.samplers import STRATEGIES, distributions
from nas.searching.loop import Search
from nas.searching.progress import Silent
from nas.training.recipe import Recipe
from nas.training.trial import State, TrialResult
from searchspaces import Arch, Compact
from searchspaces.layers import head, network

MEGABYTE = 1 << 20
HEADER = "| trials | seconds | ms to ask | ms to tell | memory, MB | journal, MB |\n|--:|--:|--:|--:|--:|--:|"
SIZES = (100, 1000, 5000, 20_000)  # of ledgers that a search is resumed with
ASKED = 15  # trials from there on, of which the median is shown


@dataclass(frozen=True)
class OneLayer(Compact):
    """The choices of `compact`, none of which changes the network."""

    name = "one-layer"

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return network(head(num_classes))


SPACE = OneLayer()


class Landscape:
    """An accuracy for every network: each choice adds something, and pairs of neighbouring ones do; then noise."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        options = max(len(choice.options) for choice in SPACE.choices)
        self._alone = rng.standard_normal((len(SPACE.choices), options))
        self._pairs = rng.standard_normal((len(SPACE.choices) - 1, options, options))

    def __call__(self, arch: Arch) -> float:
        places = np.arange(len(arch))
        chosen = np.asarray(arch)
        alone = self._alone[places, chosen].mean()
        pairs = self._pairs[places[:-1], chosen[:-1], chosen[1:]].mean()
        noise = np.random.default_rng(list(arch)).standard_normal()
        return float(1 / (1 + np.exp(-(alone + pairs + 0.05 * noise))))


class Soak:
    """A search at work in the new folder `folder`."""

    def __init__(self, folder: Path, strategy: str, trials: int, seed: int) -> None:
        config = Config(SPACE, "cifar10", Recipe(epochs=1), Reward(), strategy, seed)
        self.run, self._accuracy = Run.create(folder, config, Budget(trials=trials)), Landscape(seed)
        self.asking: list[float] = []
        """Seconds of CPU time for each proposal, since this was emptied last."""
        self.telling: list[float] = []

    @contextmanager
    def searching(self) -> Iterator[Search]:
        """The search, begun."""
        with self.run.driving() as study:
            search = Search(self.run, study, self.run.budget, Silent(), without_images("cifar10"))
            search.ready(1)
            yield search

    def step(self, search: Search) -> bool:
        """One trial; False where there is no other."""
        start = time.process_time()
        spec = search.ask()
        self.asking.append(time.process_time() - start)
        if spec is None:
            return False
        assert isinstance(spec.network, Found)
        result = TrialResult(State.COMPLETE, 0.0, self._accuracy(spec.network.arch), loss=1.0)
        start = time.process_time()
        search.tell(spec, result)
        self.telling.append(time.process_time() - start)
        return True


def curve(folder: Path, strategy: str, trials: int, every: int, seed: int) -> None:
    """Search until the end, and print the curve as a table in Markdown."""
    soak, began = Soak(folder, strategy, trials, seed), time.perf_counter()
    print(HEADER, flush=True)
    with soak.searching() as search:
        while soak.step(search):
            if search.done % every == 0:
                size = (folder / JOURNAL).stat().st_size / MEGABYTE
                times = time.perf_counter() - began, 1000 * np.mean(soak.asking), 1000 * np.mean(soak.telling)
                print(
                    f"| {search.done:,} | {times[0]:,.0f} | {times[1]:.1f} | {times[2]:.1f} "
                    f"| {resident() / MEGABYTE:,.0f} | {size:.1f} |",
                    flush=True,
                )
                soak.asking, soak.telling = [], []
        search.note_end()


def resident() -> int:
    """Bytes of this process that are in memory now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def resumed(strategies: Iterable[str], sizes: Iterable[int], seed: int) -> None:
    """Print what each strategy costs after so many trials."""
    print("| strategy | trials | s to the first proposal | ms to ask | ms to tell |\n|---|--:|--:|--:|--:|", flush=True)
    for strategy in strategies:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                soak = Soak(Path(folder) / "soak", strategy, size + 1 + ASKED, seed)
                fill(soak.run.path / JOURNAL, size, seed)
                with soak.searching() as search:
                    while soak.step(search):
                        pass
            first, *asking = soak.asking[:-1]
            figures = f"{first:.1f} | {1000 * median(asking):.1f} | {1000 * median(soak.telling):.1f}"
            print(f"| {strategy} | {size:,} | {figures} |", flush=True)


class _Collected(BaseJournalBackend):
    """Lines that are kept in memory."""

    def __init__(self, path: Path) -> None:
        self.logs = [json.loads(line) for line in path.read_text().splitlines()]

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs += logs


def fill(journal: Path, trials: int, seed: int) -> None:
    """Add so many random trials to the only study of `journal`, at once."""
    collected, accuracy, rng = _Collected(journal), Landscape(seed), np.random.default_rng(seed)
    storage, of = JournalStorage(collected), distributions(SPACE)
    began = datetime.now() - timedelta(days=1)
    for number in range(trials):
        arch = SPACE.sample(rng)
        trial = create_trial(
            params=SPACE.options(arch), distributions=of, value=accuracy(arch), user_attrs={"accuracy": accuracy(arch)}
        )
        trial.datetime_start = trial.datetime_complete = began + timedelta(seconds=number)
        storage.create_new_trial(0, trial)
    journal.write_text("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in collected.logs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=STRATEGIES, help="by default controller; all with --resumed")
    parser.add_argument("--resumed", action="store_true", help="compare strategies after so many trials")
    parser.add_argument("--trials", type=int, default=SIZES[-1], help="at most (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1000, help="trials between two lines (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the run is to stay; by default it is thrown away")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    if options.resumed:
        strategies = [options.strategy] if options.strategy else list(STRATEGIES)
        resumed(strategies, [size for size in SIZES if size <= options.trials], options.seed)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "soak"
        curve(folder, options.strategy or "controller", options.trials, options.every, options.seed)


if __name__ == "__main__":
    main()
