"""Can a network be judged by weights that others left it? Warm starts and a supernet, by the truth of a proxy study.

    NAS_DATA=~/data python benchmarks/inherited.py runs/STUDY --images 5k

Of the study's networks it says how well each of these ranks them (Spearman, 95 % bootstrap intervals over networks):

    cold       each trained alone, from random weights, for `--images`
    warm       the same, from the weights of the nearest of those before it, in random order: the fewest other choices
    supernet   none is trained: one set of weights for the whole space is, on a new random architecture at each step
               (ENAS, Pham et al. 2018; sampled as by Guo et al. 2019). Each network is then judged with its part

Where shapes differ, a smaller tensor is the first channels and the middle of the kernels of a larger one. Normalisation
in the supernet is by each batch, in judging too: running means would be another architecture's.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from nas.data import load
from nas.data.batches import eval_batches, train_batches
from nas.data.images import Dataset
from nas.devices.precision import Precision
from nas.devices.process import prepare
from nas.ledger.run import Run
from nas.network import Found
from nas.proxies.ranking import Values, interval, resamples, spearman
from nas.proxies.results import results
from nas.references.resolve import resolve
from nas.text.units import parse_count
from nas.training.evaluation import accuracy
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces.cost import shapes_only


def part(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """A view of `tensor`, at most as large as `shape`: the first channels, the middle of the kernels."""
    for dim, (there, wanted) in enumerate(zip(tensor.shape, shape, strict=True)):
        if there > wanted:
            tensor = tensor.narrow(dim, (there - wanted) // 2 if dim > 1 else 0, wanted)
    return tensor


def kinds(network: nn.Module) -> dict[str, str]:
    """By a parameter's name, what it is called wherever it does the same: its place, and the kind of convolution that
    it is of or comes after."""
    named, kind = {}, ""
    for name, p in network.named_parameters():
        if p.ndim == 4:
            kind = "depthwise" if p.shape[1] == 1 < p.shape[0] else "pointwise" if p.shape[2] == 1 else "full"
        named[name] = f"{name.replace('body.', '')}/{kind}/{p.ndim}"
    return named


# ------------------------------------------------------------------ cold and warm


def trained(
    network: Found, dataset: Dataset, recipe: Recipe, seed: int, start: nn.Module | None
) -> tuple[nn.Module, float]:
    """The network after its training, and its validation accuracy."""
    torch.manual_seed(seed)
    module = network.build(10, 32)
    if start is not None:
        inherit(module, start)
    *_, last = train(module, dataset, recipe, seed)
    return module, last.val_accuracy


@torch.no_grad()
def inherit(module: nn.Module, start: nn.Module) -> None:
    """Give `module` what `start` has at the same places, as far as it reaches."""
    names = kinds(start)
    theirs = {names[name]: p for name, p in start.named_parameters()}
    for name, key in kinds(module).items():
        if key in theirs:
            ours = module.get_parameter(name)
            part(ours, theirs[key].shape).copy_(part(theirs[key], ours.shape))


def cold_and_warm(networks: Sequence[Found], dataset: Dataset, recipe: Recipe, seed: int) -> tuple[Values, Values]:
    """Validation accuracies `[N]` of both."""
    cold, warm = np.zeros(len(networks)), np.zeros(len(networks))
    before: list[tuple[Found, nn.Module]] = []
    for i in random.Random(seed).sample(range(len(networks)), len(networks)):
        network = networks[i]
        alone, cold[i] = trained(network, dataset, recipe, seed, None)
        if before:
            _, start = min(before, key=lambda one: sum(a != b for a, b in zip(one[0].arch, network.arch, strict=True)))
            started, warm[i] = trained(network, dataset, recipe, seed, start)
        else:
            started, warm[i] = alone, cold[i]
        before.append((network, started))
    return cold, warm


# ------------------------------------------------------------------ a supernet


class Supernet:
    """One set of weights for a space, as large as the largest that was asked for."""

    def __init__(self, networks: Sequence[Found], recipe: Recipe) -> None:
        """`networks`: among them they have every weight of the space at its largest."""
        shapes: dict[str, list[int]] = {}
        for network in networks:
            with shapes_only():
                module = network.build(10, 32)
            for name, key in kinds(module).items():
                shape = module.get_parameter(name).shape
                shapes[key] = [max(pair) for pair in zip(shape, shapes.get(key, shape), strict=True)]
        self.weights = {key: nn.Parameter(torch.zeros(shape)) for key, shape in shapes.items()}
        for key, weight in self.weights.items():
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight, mode="fan_out" if weight.ndim == 4 else "fan_in")
            elif key.partition("/")[0].endswith("weight"):
                nn.init.ones_(weight)
        self.optimizer = torch.optim.SGD(  # not a fused one: most weights have no part in a step
            [{"params": [w for w in self.weights.values() if w.ndim > 1], "weight_decay": recipe.weight_decay},
             {"params": [w for w in self.weights.values() if w.ndim == 1]}],
            momentum=recipe.momentum, nesterov=True,
        )  # fmt: skip

    def logits(self, network: Found, x: Tensor) -> Tensor:
        """`[B, 10]`, normalised by the batch."""
        with shapes_only():
            module = network.build(10, 32)
        tensors = {
            name: part(self.weights[key], module.get_parameter(name).shape) for name, key in kinds(module).items()
        }
        buffers = {name: torch.zeros(buffer.shape, dtype=buffer.dtype) for name, buffer in module.named_buffers()}
        forward = Precision(module, None, x.device)
        with forward.kept(), torch.autocast("cpu", torch.bfloat16, enabled=forward.bf16):
            out: Tensor = functional_call(module, tensors | buffers, x)
        return out.float()

    def learn(self, network: Found, x: Tensor, y: Tensor, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        F.cross_entropy(self.logits(network, x), y).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def judge(self, network: Found, dataset: Dataset) -> float:
        """Validation accuracy."""
        batches = eval_batches(dataset.val, dataset.mean, dataset.std, batch_size=500)
        return accuracy(torch.cat([self.logits(network, x) for x, _ in batches]), dataset.val.labels)


def judged_by_supernet(
    networks: Sequence[Found], dataset: Dataset, recipe: Recipe, seed: int, steps: Sequence[int]
) -> Iterator[tuple[int, Values]]:
    """After each of `steps`, the validation accuracies `[N]`."""
    space, rng = networks[0].space, random.Random(seed)
    torch.manual_seed(seed)
    pool = [Found(space, space.sample(rng)) for _ in range(400)]  # among them, the largest at every place
    supernet = Supernet([*pool, *networks], recipe)
    generator, step = torch.Generator().manual_seed(seed), 0
    while step < steps[-1]:
        for x, y in train_batches(
            dataset.train, dataset.mean, dataset.std,
            batch_size=recipe.batch_size, augment=recipe.augment(), generator=generator,
        ):  # fmt: skip
            supernet.learn(rng.choice(pool), x, y, recipe.rate(step / steps[-1]))
            step += 1
            if step in steps:
                yield step, np.array([supernet.judge(network, dataset) for network in networks])
            if step == steps[-1]:
                return


# ------------------------------------------------------------------ the report


def line(name: str, of_seeds: Sequence[Values], truth: Values, seconds: float) -> str:
    """`truth`: `[seeds, N]` of the study, of which each is compared with the mean."""
    drawn = resamples(truth.shape[1])
    mean = truth.mean(0)
    each = [spearman(values, mean, np.ones((1, len(mean))))[0] for values in of_seeds]
    resampled = np.mean([spearman(values, mean, drawn) for values in of_seeds], axis=0)
    found = interval(float(np.mean(each)), resampled, len(mean))
    percent = np.mean(of_seeds) * 100
    spans = f"{found.low:.2f} to {found.high:.2f}"
    return f"{name:20}  {found.estimate:5.2f}  {spans:14}  accuracy {percent:4.1f} %  {seconds:6.1f} s a network"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a finished nas proxy-study")
    parser.add_argument("--images", type=parse_count, default=5_000, help="of each short training")
    parser.add_argument("--supernet", type=parse_count, default=200_000, help="images that the supernet sees")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    prepare()
    run = Run.open(options.study)
    study = results(run)
    networks = [resolve(text, Path()) for text in study.study.networks]
    truth, recipe, data = study.truth, run.config.recipe, load(run.config.data)
    dataset = recipe.prepare(data)
    short = replace(recipe, epochs=1, subset=round(options.images))
    few = short.prepare(data)

    began = time.process_time()
    both = [cold_and_warm(networks, few, short, seed) for seed in range(options.seeds)]
    seconds = (time.process_time() - began) / (2 * options.seeds * len(networks))
    for name, of_seeds in zip(("cold", "warm"), zip(*both, strict=True), strict=True):
        print(line(name, of_seeds, truth, seconds), flush=True)

    last = round(options.supernet) // recipe.batch_size
    steps = [last // 4, last // 2, last]
    began = time.process_time()
    found = [list(judged_by_supernet(networks, dataset, recipe, seed, steps)) for seed in range(options.seeds)]
    seconds = (time.process_time() - began) / (options.seeds * len(networks))
    for number, step in enumerate(steps):
        share = step / last * seconds
        print(line(f"supernet {step * recipe.batch_size:,}", [seed[number][1] for seed in found], truth, share))


if __name__ == "__main__":
    main()
