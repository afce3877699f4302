"""Do scores without training tell more than features of the network? Leave-one-out on a run's real trials.

    OMP_NUM_THREADS=1 NAS_DATA=data python benchmarks/zero_cost.py runs/c10

NASWOT (Mellor et al. 2021, arXiv:2006.04647) asks how differently the units of an untrained network answer to images of
a batch; SynFlow (Tanaka et al. 2020, arXiv:2006.05467) how much of a signal of ones its weights let through. Either is
given to the surrogate as one more feature, and each network predicted from all others, and all from ten of them.
docs/controller.md has the figures.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from leave_one_out import STEPS, predictions, results
from scipy.stats import spearmanr
from torch import Tensor, nn

from nas import data
from nas.ledger.run import Run
from nas.samplers.sight import Sight
from nas.samplers.strategy import Knowledge
from nas.samplers.surrogate import Array, GaussianProcess
from nas.text.columns import table

BATCH = 32
FEW, DRAWS = 10, 12
GATES = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU)


def naswot(network: nn.Module, images: Tensor) -> float:
    """The log-determinant of how many units agree on each pair of images, whether they are on."""
    agree = np.zeros((len(images), len(images)))

    def count(module: nn.Module, given: tuple[Tensor, ...], put_out: Tensor) -> None:
        on = (put_out.detach().flatten(1) > 0).float()
        agree[:] += (on @ on.T + (1 - on) @ (1 - on).T).numpy()

    for module in network.modules():
        if isinstance(module, GATES):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.train()(images)
    return float(np.linalg.slogdet(agree)[1])


def synflow(network: nn.Module, images: Tensor) -> float:
    """The logarithm of the sum over weights of |weight times the gradient by it|, all weights made positive."""
    network = network.double().eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    network(torch.ones_like(images[:1], dtype=torch.double)).sum().backward()
    flows = [float((p.detach() * p.grad).abs().sum()) for p in network.parameters() if p.grad is not None]
    return float(np.log(sum(flows) + 1e-300))


SCORES = {"NASWOT": naswot, "SynFlow": synflow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    run = Run.open(parser.parse_args().run)
    space = run.config.space
    rows, y = results(run)
    images = data.load(run.config.data).train.pixels[:BATCH].float().permute(0, 3, 1, 2)
    images = (images - images.mean()) / images.std()
    codes = Sight(space.choices, space.simplified, Knowledge.of_space(space)).codes(
        [space.simplified(row.arch) for row in rows]
    )
    sizes = [len(choice.options) for choice in space.choices]
    found = [("features alone", "", "", *told(sizes, codes, y))]
    for name, score in SCORES.items():
        began = time.perf_counter()
        values = []
        for row in rows:
            torch.manual_seed(0)
            values.append(score(run.network(row).build(10, images.shape[-1]), images))
        took = (time.perf_counter() - began) / len(rows)
        scores = np.array(values)
        alone = f"{spearmanr(scores, y)[0]:.2f}"
        seen = np.concatenate([codes, ((scores - scores.mean()) / scores.std())[:, None]], axis=1)
        found.append((name, alone, f"{1000 * took:.0f}", *told(sizes, seen, y)))
    print(f"{run.name}, {len(rows)} networks: rank correlation with what trainings gave")
    print(table(("seen", "score alone", "ms a network", "from all others", f"from {FEW}"), found))


def told(sizes: list[int], codes: Array, y: Array) -> tuple[str, str]:
    """Rank correlations of the predictions of each from all others, and of all others from a few."""
    features = codes.shape[1] - sum(sizes)
    process = GaussianProcess(sizes, features)
    process.learn(codes, y, STEPS)
    whole, few = spearmanr(predictions(process, codes, y), y)[0], []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(y))
        known, others = order[:FEW], order[FEW:]
        process = GaussianProcess(sizes, features)
        process.learn(codes[known], y[known], 5 * FEW)
        process.condition(codes[known], y[known], codes[:0])
        few.append(spearmanr(process.predict(codes[others])[0], y[others])[0])
    return f"{whole:.2f}", f"{np.mean(few):.2f}"


if __name__ == "__main__":
    main()
