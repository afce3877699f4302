"""Images that a network takes for a class as much as it can, made from noise.

Simonyan, Vedaldi, Zisserman: "Deep Inside Convolutional Networks" (2013, arXiv:1312.6034), equation 1: the image I that
maximises the class's score S(I), the output before the softmax, less lambda |I|^2. I is what the network takes, of mean
0 and deviation 1, so the penalty draws it to the mean colour.

Deviations: Adam makes the steps (Kingma and Ba 2014), since gradients differ by orders among networks. For the same
reason S is in units of the deviation that it has among images, and lambda is divided by the numbers of an image, so
that it means the same for all networks at all sizes. With jitter and blur (Mordvintsev et al. 2015, Yosinski et al.
2015, arXiv:1506.06579) patterns survive that a person can see: the image is moved by some pixels before each step, and
blurred now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE = 0.05  # of Adam's, in deviations of the pixels
PENALTY = 1.0  # what an image costs whose numbers are 1 in the mean square, in deviations of the score
NOISE = 0.1  # deviation of the first image
JITTER = 8  # the image is moved by up to an eighth of its side
BLURRED = 4  # after each so many steps
SIGMA = (1.2, 0.4)  # of the blur at first and at last, in pixels of an image of 32 a side


@dataclass(frozen=True)
class Maximised:
    """The images `[N, C, S, S]` of so many classes, and the score and the probability of each: `[N]`, at first and at
    last."""

    images: Tensor
    scores: tuple[Tensor, Tensor]
    probabilities: tuple[Tensor, Tensor]


def maximised(
    network: nn.Module,
    classes: Sequence[int],
    units: Tensor,
    shape: tuple[int, int, int],
    seed: int,
    steps: int,
) -> Maximised:
    """An image of that `shape` `[C, S, S]` for each of `classes`, with the penalty alone.

    `units` `[N]` are the deviations that their scores have among images.
    """
    image, targets = _begin(classes, shape, seed)
    adam = torch.optim.Adam([image], RATE, maximize=True)
    start = image.detach().clone()
    for _ in range(steps):
        (image.grad,) = torch.autograd.grad(_goal(network, image, targets, units), image)
        adam.step()
    return _judged(network, start, image.detach(), targets)


def maximised_for_people(
    network: nn.Module,
    classes: Sequence[int],
    units: Tensor,
    shape: tuple[int, int, int],
    seed: int,
    darkest: Tensor,
    lightest: Tensor,
    steps: int,
) -> Maximised:
    """The same with jitter and blur, and of colours that there are: between those of black and white, `[C, 1, 1]`."""
    image, targets = _begin(classes, shape, seed)
    adam = torch.optim.Adam([image], RATE, maximize=True)
    start, generator = image.detach().clone(), torch.Generator().manual_seed(seed)
    reach = max(1, shape[1] // JITTER)
    for step in range(steps):
        down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        moved = image.roll((down, right), (2, 3))
        (image.grad,) = torch.autograd.grad(_goal(network, moved, targets, units), image)
        adam.step()
        with torch.no_grad():
            if step % BLURRED == 0:
                first, last = SIGMA
                sigma = (first + (last - first) * step / max(1, steps - 1)) * shape[1] / 32
                image.copy_(blurred(image, sigma))
            image.clamp_(darkest, lightest)
    return _judged(network, start, image.detach(), targets)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """`images` `[N, C, H, W]` through a Gaussian of that deviation in pixels; at the borders they are mirrored."""
    reach = min(max(1, round(3 * sigma)), min(images.shape[2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(images.shape[1], 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    rows = F.conv2d(padded, weights[..., None], groups=images.shape[1])
    return F.conv2d(rows, weights[:, :, None], groups=images.shape[1])


def _begin(classes: Sequence[int], shape: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor]:
    """The same noise for each class, and the classes as a tensor."""
    noise = NOISE * torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))
    return noise.repeat(len(classes), 1, 1, 1).requires_grad_(), torch.tensor(classes)


def _goal(network: nn.Module, image: Tensor, targets: Tensor, units: Tensor) -> Tensor:
    """The sum over images of score less penalty: each image has the gradient of its own."""
    scores = network(image).gather(1, targets[:, None])[:, 0] / units
    goal: Tensor = (scores - PENALTY * image.square().flatten(1).mean(1)).sum()
    return goal


@torch.no_grad()
def _judged(network: nn.Module, start: Tensor, image: Tensor, targets: Tensor) -> Maximised:
    scores, probabilities = [], []
    for images in (start, image):
        outputs = network(images)
        scores.append(outputs.gather(1, targets[:, None])[:, 0])
        probabilities.append(outputs.softmax(1).gather(1, targets[:, None])[:, 0])
    return Maximised(image, (scores[0], scores[1]), (probabilities[0], probabilities[1]))
