"""What a strategy costs beside the trainings: CPU time of one core to ask for a trial and to learn from it.

    OMP_NUM_THREADS=1 python benchmarks/strategy_cost.py

A made-up space of 40 choices with two to six options each, rewards at random. The strategy by itself, then REINFORCE as
Optuna's sampler with the study in memory, where Optuna's own work is counted too. `--trials` is how far the
second goes. With `--spaces compact,mnas` instead the default strategy in those spaces, with features of their networks;
of each also within `--max-macs`, where that is given. docs/controller.md has the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import fmean, median

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nas.references.around import Around
from nas.samplers.policy_gradient import REINFORCE, Learner
from nas.samplers.screened import Screened
from nas.samplers.strategy import Context, Feedback, Knowledge
from nas.samplers.strategy_sampler import StrategySampler
from searchspaces import Arch, Choice, Space, get_space

CHOICES = tuple(Choice(f"block{i}.op", tuple(range(2 + i % 5))) for i in range(40))
WINDOW = 50  # trials that a figure is the mean of


def milliseconds(work: Callable[[], object], repeats: int = 20) -> float:
    """The median of so many runs, in CPU time."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * median(times)


def parts(learner: Learner) -> None:
    """The pieces that all of our strategies are made of."""
    sampling = milliseconds(lambda: learner.controller(200, torch.Generator()))
    one = milliseconds(lambda: learner.controller(1, torch.Generator()))
    batch = [Feedback(arch, float(row)) for row, arch in enumerate(drawn(learner))]

    def update() -> None:
        for feedback in batch:
            learner.tell(feedback)

    print(f"one architecture drawn: {one:.2f} ms; one of 200 drawn at once: {sampling / 200:.3f} ms")
    print(f"one update, of a batch of {len(batch)}: {milliseconds(update):.2f} ms")


def drawn(learner: Learner) -> list[Arch]:
    actions = learner.controller(learner.settings.batch, torch.Generator()).actions
    return [tuple(arch) for arch in actions.tolist()]


def screened(sizes: tuple[int, ...] = (50, 100, 200, 400, 1000, 2000)) -> None:
    """The default strategy by itself, at `sizes` results."""
    strategy = Screened().start(CHOICES, tuple, 0)
    rng = np.random.default_rng(0)
    told: dict[Arch, Feedback] = {}
    times = []
    for number in range(sizes[-1]):
        began = time.process_time()
        arch = strategy.propose(Context(number, told.__contains__)).arch
        told[arch] = Feedback(arch, rng.standard_normal())
        strategy.tell(told[arch])
        times.append(1000 * (time.process_time() - began))
    curve = ", ".join(f"{size}: {fmean(times[size - WINDOW : size]):.1f}" for size in sizes)
    print(f"controller, ask + tell in ms, by results: {curve}")
    began = time.process_time()
    again = Screened().start(CHOICES, tuple, 0)
    for feedback in list(told.values())[:1000]:
        again.tell(feedback)
    print(f"controller, a resume of 1000 trials: {time.process_time() - began:.1f} s")


def in_space(space: Space, trials: int = 200) -> None:
    """The default strategy with features, over the last of so many trials."""
    strategy = Screened().start(space.choices, space.simplified, 0, Knowledge.of_space(space))
    rng, told = np.random.default_rng(0), set[Arch]()
    times = []
    for number in range(trials):
        began = time.process_time()
        arch = strategy.propose(Context(number, told.__contains__)).arch
        strategy.tell(Feedback(arch, rng.standard_normal()))
        told.add(arch)
        times.append(1000 * (time.process_time() - began))
    print(
        f"{space.name} {space.changed_settings()}: ask + tell at {trials} results {fmean(times[-WINDOW:]):.0f} ms; the "
        f"first that the surrogate picks {times[Screened().initial]:.0f} ms"
    )


def in_a_study(trials: int) -> None:
    """REINFORCE as an Optuna sampler, study in memory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=StrategySampler(REINFORCE, 0, CHOICES), direction="maximize")
    distributions: dict[str, BaseDistribution] = {
        choice.name: CategoricalDistribution(choice.options) for choice in CHOICES
    }
    rng = np.random.default_rng(0)
    times = []
    for _ in range(trials):
        began = time.process_time()
        study.tell(study.ask(distributions), rng.standard_normal())
        times.append(1000 * (time.process_time() - began))
    sizes = [size for size in (100, 1000, 2000, 5000, 10_000, 20_000) if size <= trials]
    curve = ", ".join(f"{size}: {fmean(times[size - WINDOW : size]):.1f}" for size in sizes)
    print(f"reinforce in an Optuna study, ask + tell in ms, by trials: {curve}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--spaces", type=lambda text: text.split(","), default=[])
    parser.add_argument("--max-macs", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.spaces:
        kind, _, network = name.partition(":")
        for limit in [{}, {"max_macs": args.max_macs}] if args.max_macs else [{}]:
            in_space(Around(network=network, **limit) if kind == Around.name else get_space(name, **limit))
    if args.spaces:
        return
    parts(Learner(CHOICES, Screened().policy, 0))
    screened()
    in_a_study(args.trials)


if __name__ == "__main__":
    main()
