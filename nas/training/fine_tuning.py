"""Which rows of a network a training changes, and how fast: fine-tuning what has weights from elsewhere.

A network's rows are its children, from the image to the classifier; `nas baselines show` prints a baseline's.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

BACKBONE = "backbone"  # every row but the head
Group = tuple[list[nn.Parameter], float]  # parameters, and the factor of their learning rate


@dataclass(frozen=True)
class FineTuning:
    """By default every row is trained, all at the recipe's learning rate.

    `freeze`: names of rows that stay as they are, batch norms' statistics included; "backbone" is all but the head,
    the last row that has parameters. `train_last`: the last so many rows with parameters are trained and all before
    them frozen. `backbone_lr`: factor of the learning rate of the rows that are trained, but for the head.
    """

    freeze: tuple[str, ...] = ()
    train_last: int | None = None
    backbone_lr: float = 1.0

    def __post_init__(self) -> None:
        if self.freeze and self.train_last is not None:
            raise ValueError("--freeze and --train-last both say what is trained: give one of them")
        if self.train_last is not None and self.train_last < 1:
            raise ValueError(f"--train-last must be at least 1, not {self.train_last}")
        if not 0 < self.backbone_lr <= 1:
            raise ValueError(f"--backbone-lr must be above 0 (see --freeze) and at most 1, not {self.backbone_lr:g}")

    def frozen(self, network: nn.Module) -> list[str]:
        """The names of the rows that stay as they are. Raises ValueError where there is no such, or no other."""
        names = [name for name, _ in network.named_children()]
        trainable = _with_parameters(network)
        if self.train_last is not None:
            if self.train_last > len(trainable):
                raise ValueError(f"--train-last {self.train_last}: the network has {len(trainable)} rows with weights")
            return names[: names.index(trainable[-self.train_last])]
        if self.freeze == (BACKBONE,):
            return [name for name in names if name not in _head(network)]
        if unknown := [name for name in self.freeze if name not in names]:
            raise ValueError(f"--freeze: there is no row {unknown[0]!r}; there are {', '.join(names)}, and {BACKBONE}")
        if self.freeze and set(trainable) <= set(self.freeze):
            raise ValueError("with all of these rows frozen nothing is left to train: leave one out of --freeze")
        return list(self.freeze)

    def groups(self, network: nn.Module) -> list[Group]:
        """The parameters that are trained, with the factors of their learning rates."""
        frozen, head = self.frozen(network), _head(network)
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            row = name.partition(".")[0]
            if row not in frozen:
                groups.setdefault(1.0 if row in head else self.backbone_lr, []).append(parameter)
        return [(parameters, factor) for factor, parameters in groups.items()]


EVERYTHING = FineTuning()


def _head(network: nn.Module) -> list[str]:
    """The names of the rows that are no backbone: all but that where one is called so, else the last with weights."""
    trainable = _with_parameters(network)
    return [name for name in trainable if name != BACKBONE] if BACKBONE in trainable else trainable[-1:]


def _with_parameters(network: nn.Module) -> list[str]:
    return [name for name, row in network.named_children() if next(row.parameters(), None) is not None]
