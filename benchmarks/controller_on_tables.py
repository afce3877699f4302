"""Does the controller learn? Learning curves against random search on published tables.

    python benchmarks/controller_on_tables.py --nasbench201 nasbench201-cifar10.csv \
        --macro nas-bench-macro_cifar10.json --seeds 30 --plot curves.png

The published protocol: a search sees one noisy figure of what it evaluates (NAS-Bench-201: validation accuracy after
12 epochs; NAS-Bench-Macro: the first run's test accuracy) and hands over the architecture that it saw the best of.
That one is judged by what the table reports (test accuracy after 200 epochs; the mean of three runs). Regret is the
best reported accuracy of the whole table less that of the architecture handed over, in percentage points.

Every proposal counts as an evaluation. By default no strategy repeats itself while it can help it: random draws
without replacement, the controllers draw again (a proposal that is still a repeat counts, and teaches, once more).
`--repeats` lets all of them repeat.

Mean regret, 40 seeds (0..39; the settings were chosen on others), torch 2.13.0 on one CPU core, 7 minutes on a busy
machine. At 1,000 evaluations both controllers are below random search on both tables with p < 0.0001 (sign flips of
the differences by seed):

    NAS-Bench-201     25     50    100    200    400   1000   NAS-Bench-Macro     25     50    100    200    400   1000
    random         1.258  1.026  0.714  0.480  0.386  0.339   random           0.424  0.376  0.313  0.228  0.206  0.120
    reinforce      1.225  0.743  0.346  0.144  0.092  0.063   reinforce        0.424  0.297  0.085  0.002  0.000  0.000
    ppo            1.068  0.546  0.316  0.138  0.075  0.050   ppo              0.362  0.199  0.068  0.000  0.000  0.000

With `--repeats`, 30 seeds, the policies become certain after some 200 evaluations and then evaluate the same networks
over and over: at 1,000 random, reinforce and ppo have 0.321, 0.115, 0.249 and 0.133, 0.078, 0.135, so that only
reinforce on NAS-Bench-201 is still clearly (p < 0.01) better than random.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import torch

from nas.published import Published, read
from nas.samplers.policy_gradient import PPO, REINFORCE, Learner, PolicyGradient
from nas.samplers.strategy import Experience, Situation
from searchspaces import Arch, NASBench201, NASBenchMacro

CHECKPOINTS = (25, 50, 100, 200, 400, 1000)
STRATEGIES: dict[str, PolicyGradient | None] = {"random": None, "reinforce": REINFORCE, "ppo": PPO}
SPACES = {"nasbench201": NASBench201(), "macro": NASBenchMacro()}  # by the options that name their files


def random_search(table: Published, seed: int, repeats: bool) -> Iterator[Arch]:
    archs = list(table.observed)
    rng = np.random.default_rng(seed)
    order = iter(rng.permutation(len(archs)))
    while True:
        yield archs[rng.integers(len(archs)) if repeats else next(order)]


def policy_search(table: Published, settings: PolicyGradient, seed: int, repeats: bool) -> Iterator[Arch]:
    learner = Learner(table.space.choices, settings, seed)
    seen: set[Arch] = set()
    number = 0
    while True:
        proposal = learner.propose(Situation(number, None if repeats else seen.__contains__))
        yield proposal.arch
        learner.tell(Experience(proposal.arch, table.observed[proposal.arch], proposal.log_probs))
        seen.add(proposal.arch)
        number += 1


def search(
    table: Published, strategy: str, seed: int, evaluations: int = CHECKPOINTS[-1], repeats: bool = False
) -> np.ndarray:
    """`[2, evaluations]`: the regret of what would be handed over, and the best observed accuracy, in %."""
    settings = STRATEGIES[strategy]
    found = policy_search(table, settings, seed, repeats) if settings else random_search(table, seed, repeats)
    bests = list(accumulate(islice(found, evaluations), lambda *pair: max(pair, key=table.observed.__getitem__)))
    best_possible = max(table.reported.values())
    return np.array(
        [[best_possible - table.reported[best] for best in bests], [table.observed[best] for best in bests]]
    )


def sign_flip_p(differences: np.ndarray, flips: int = 20_000) -> float:
    """Two-sided p of a paired test: how often random signs give a mean as far from 0."""
    signs = np.random.default_rng(0).choice([-1, 1], size=(flips, len(differences)))
    return float((np.abs((signs * differences).mean(1)) >= abs(differences.mean())).mean())


def report(table: Published, curves: dict[str, np.ndarray]) -> None:
    """Prints mean and standard deviation over seeds; `curves[strategy]` is `[seeds, 2, evaluations]`."""
    points = [n for n in CHECKPOINTS if n <= next(iter(curves.values())).shape[-1]]
    for metric, title in enumerate(("regret (points)", "best observed (%)")):
        print(f"\n{table.title}: {title}, mean ± standard deviation\n")
        print(f"| strategy | {' | '.join(map(str, points))} |\n|---|{'---|' * len(points)}")
        for strategy, curve in curves.items():
            values = [curve[:, metric, n - 1] for n in points]
            print(f"| {strategy} | {' | '.join(f'{v.mean():.3f} ± {v.std(ddof=1):.3f}' for v in values)} |")
    for strategy in [name for name in curves if name != "random" and "random" in curves]:
        for n in points:
            gain = curves["random"][:, 0, n - 1] - curves[strategy][:, 0, n - 1]
            half = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
            print(
                f"{strategy} at {n}: regret {gain.mean():.3f} ± {half:.3f} (95 %) below random's, lower in"
                f" {(gain > 0).sum()}, equal in {(gain == 0).sum()} of {len(gain)} seeds, p {sign_flip_p(gain):.4f}"
            )


def plot(tables: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(5.5 * len(tables), 4), squeeze=False, layout="constrained")
    for axis, (name, curves) in zip(axes[0], tables.items(), strict=True):
        for strategy, curve in curves.items():
            regret = curve[:, 0]
            mean, error = regret.mean(0), 1.96 * regret.std(0, ddof=1) / len(regret) ** 0.5
            evaluations = np.arange(1, len(mean) + 1)
            axis.plot(evaluations, mean, label=strategy)
            axis.fill_between(evaluations, (mean - error).clip(0), mean + error, alpha=0.2)
        axis.set(title=f"{name}, {len(regret)} seeds", xlabel="evaluations", ylabel="regret (points), mean and 95 %")
        axis.set(xscale="log", xlim=(10, len(mean)), ylim=(0, 1.5 * mean[9]))
        axis.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nasbench201", type=Path, metavar="CSV")
    parser.add_argument("--macro", type=Path, metavar="JSON")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--evaluations", type=int, default=CHECKPOINTS[-1])
    parser.add_argument("--repeats", action="store_true", help="let every strategy propose what it has proposed before")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    args = parser.parse_args()
    tables = [read(space, path) for name, space in SPACES.items() if (path := getattr(args, name))]
    if not tables:
        parser.error("give --nasbench201 CSV, --macro JSON, or both")
    torch.set_num_threads(1)
    curves: dict[str, dict[str, np.ndarray]] = {}
    for table in tables:
        seeds = range(args.seeds)
        curves[table.title] = {
            strategy: np.stack([search(table, strategy, seed, args.evaluations, args.repeats) for seed in seeds])
            for strategy in args.strategies
        }
        report(table, curves[table.title])
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    main()
