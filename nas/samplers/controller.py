"""The controller: an LSTM that writes an architecture one choice at a time.

Neural Architecture Search with Reinforcement Learning, Zoph & Le 2016, arXiv 1611.01578, section 3;
Learning Transferable Architectures, Zoph et al. 2017 (NASNet), arXiv 1707.07012, appendix A.

Every option of every choice is a row of two tables: the head that scores it, and the embedding that the
LSTM reads next once it is chosen. A choice's probabilities are the softmax over its rows. Only a choice with an anchor
(whether a layer reads an earlier one) is scored otherwise, by two of the LSTM's states: see `PairScore`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.space import Choice

IMPOSSIBLE = -1e9  # the logit of an option that a choice lacks: its probability is exactly 0


@dataclasses.dataclass(frozen=True)
class Rollout:
    """B architectures of T choices, as the policy sees them."""

    actions: Tensor  # [B, T] the index of the chosen option
    log_probs: Tensor  # [B, T] of that option given the choices before it, in nats
    entropies: Tensor  # [B, T] of the distribution that it was drawn from, in nats


class Controller(nn.Module):
    """The policy over `choices`, an LSTM: of one layer as in NASNet, or of two as Zoph & Le had it.

    Choices may have unequal numbers of options. `tie=True` lets choices of one kind and with the same options
    share their rows, as Zoph & Le must to grow a network deeper; `tie=False` gives each choice its own, as NASNet
    does. The weights are drawn from `generator`, uniform in [-init, init] (NASNet: 0.1, Zoph & Le: 0.08): the first
    policy is nearly uniform.

    Where choices have weights, the first policy draws about as these say: their logarithms are added to the logits, and
    are not learned.

    A choice whose anchor is not among those before it is one like any other: a study may have fixed the anchor.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        hidden: int = 100,
        tie: bool = False,
        generator: torch.Generator | None = None,
        layers: int = 1,
        init: float = 0.1,
    ) -> None:
        super().__init__()
        if not choices:
            raise ValueError("a controller needs at least one choice")
        owners = [(choice.kind, choice.options) if tie else position for position, choice in enumerate(choices)]
        sizes = {owner: len(choice.options) for owner, choice in zip(owners, choices, strict=True)}
        first_rows = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
        total = sum(sizes.values())
        with torch.device("meta"):  # the layers' own initialisation would draw from torch's global generator
            self.start = nn.Parameter(torch.empty(hidden))
            self.embedding = nn.Embedding(total, hidden)
            self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True)
            self.heads = nn.Linear(hidden, total)
            self.anchors = _anchors(choices)
            self.pair_score = PairScore(hidden) if self.anchors else None
        self.to_empty(device="cpu")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-init, init, generator=generator)
        option = torch.arange(max(sizes.values()))  # [N]
        missing = option >= torch.tensor([sizes[owner] for owner in owners])[:, None]
        rows = torch.tensor([first_rows[owner] for owner in owners])[:, None] + option.where(~missing, 0)
        self.missing = nn.Buffer(missing, persistent=False)  # [T, N] options that a choice with fewer than N lacks
        self.rows = nn.Buffer(rows, persistent=False)  # [T, N] the row of each option of each choice
        self.prior = nn.Buffer(_prior(choices, len(option)), persistent=False)  # [T, N] added to the logits

    def forward(
        self,
        batch: int = 1,
        generator: torch.Generator | None = None,
        temperature: Tensor | None = None,
        actions: Tensor | None = None,
        fixed: Mapping[int, int] | None = None,
    ) -> Rollout:
        """Samples `batch` architectures with `generator` (no gradient), or rescores `actions` `[B, T]`.

        Each is sampled at its `temperature` `[B]`, by default 1; log-probabilities are always those at 1. `fixed` are
        choices that are not sampled, `{position: option}`.
        """
        if actions is None:
            temperature = torch.ones(batch) if temperature is None else temperature
            actions, logits = self._sample(temperature, generator, fixed or {})
        else:
            logits = self._score(actions)
        log_probs = logits.log_softmax(dim=-1)  # [B, T, N]
        chosen = log_probs.gather(-1, actions[..., None]).squeeze(-1)
        return Rollout(actions, chosen, -(log_probs.exp() * log_probs).sum(dim=-1))

    def _heads(self) -> tuple[Tensor, Tensor]:
        """Each choice's head: weights `[T, N, hidden]` and biases `[T, N]`."""
        bias = self.heads.bias[self.rows] + self.prior
        return self.heads.weight[self.rows], bias.masked_fill(self.missing, IMPOSSIBLE)

    def _score(self, actions: Tensor) -> Tensor:
        """Logits `[B, T, N]`, teacher-forced: the whole sequence in one call of the fused LSTM."""
        chosen = self.rows.expand(len(actions), -1, -1).gather(-1, actions[..., None]).squeeze(-1)
        inputs = torch.cat([self.start.expand(len(actions), 1, -1), self.embedding(chosen[:, :-1])], dim=1)
        weight, bias = self._heads()
        states = self.lstm(inputs)[0]
        logits = torch.einsum("bth,tnh->btn", states, weight) + bias
        if self.pair_score:
            steps, anchors = list(self.anchors), list(self.anchors.values())
            logits[:, steps, :2] = self.pair_score(states[:, anchors], states[:, steps]) + self.prior[steps, :2]
        return logits

    @torch.no_grad()
    def _sample(
        self, temperature: Tensor, generator: torch.Generator | None, fixed: Mapping[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Actions `[B, T]`, logits `[B, T, N]`, one choice at a time: argmax of logits + temperature x Gumbel noise."""
        steps, options = self.rows.shape
        noise = -torch.empty(steps, len(temperature), options).exponential_(generator=generator).log()
        noise = noise * temperature[:, None]
        for step, option in fixed.items():
            noise[step, :, option] = torch.inf
        weight, bias = self._heads()
        inputs = self.start.expand(len(temperature), -1)
        layers = [(torch.zeros_like(inputs), torch.zeros_like(inputs)) for _ in self.lstm.all_weights]
        actions, logits, states = [], [], []
        for step in range(steps):
            for layer, weights in enumerate(self.lstm.all_weights):  # 3 times faster than self.lstm by steps
                layers[layer] = torch.lstm_cell(inputs, layers[layer], *weights)
                inputs = layers[layer][0]
            states.append(inputs)
            logits.append(torch.addmm(bias[step], inputs, weight[step].T))
            if self.pair_score and step in self.anchors:
                logits[-1][:, :2] = self.pair_score(states[self.anchors[step]], states[step]) + self.prior[step, :2]
            actions.append((logits[-1] + noise[step]).argmax(dim=-1))
            inputs = self.embedding(self.rows[step, actions[-1]])
        return torch.stack(actions, dim=1), torch.stack(logits, dim=1)


class PairScore(nn.Module):
    """Set-selection attention (Zoph & Le 2016, section 3.3): does layer i read layer j?

    Yes has the probability sigmoid(v . tanh(W_prev h_j + W_curr h_i)), so the logits of no and yes are 0 and the
    sigmoid's argument. h_j is the LSTM's state when it had just read layer j's anchor. h_i is its state at the choice
    itself, so what was decided on earlier connections counts; in the paper all of a layer's connections are drawn at
    once from its first such state, and that learns particular connections more slowly (see docs/controller.md).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.prev = nn.Linear(hidden, hidden, bias=False)
        self.curr = nn.Linear(hidden, hidden, bias=False)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, anchors: Tensor, states: Tensor) -> Tensor:
        """Two states `[..., hidden]`, h_j and h_i -> logits `[..., 2]`."""
        yes = self.v(torch.tanh(self.prev(anchors) + self.curr(states)))
        return F.pad(yes, (1, 0))


def _prior(choices: Sequence[Choice], options: int) -> Tensor:
    """The logarithms of the weights of each choice, `[T, N]` of so many `options`; 0 where it has none."""
    prior = torch.zeros(len(choices), options)
    for step, choice in enumerate(choices):
        if choice.weights:
            prior[step, : len(choice.weights)] = torch.tensor(choice.weights).log()
    return prior


def _anchors(choices: Sequence[Choice]) -> dict[int, int]:
    """`{step of a choice with an anchor: the step at which the LSTM has just read that anchor's option}`."""
    just_read = {choice.name: step + 1 for step, choice in enumerate(choices)}
    anchors = {step: just_read[c.anchor] for step, c in enumerate(choices) if c.anchor in just_read}
    return {step: anchor for step, anchor in anchors.items() if anchor <= step}
