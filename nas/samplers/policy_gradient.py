"""How the controller learns: REINFORCE and PPO as two losses, and a learner that applies them.

REINFORCE (Williams 1992) with an exponential moving average of the rewards as its baseline trained the controller of
Zoph & Le 2016, arXiv 1611.01578, section 3.2; PPO (Schulman et al. 2017, arXiv 1707.06347), with a small entropy bonus,
those of NASNet (arXiv 1707.07012, appendix A) and MnasNet (arXiv 1807.11626, section 4.2).

Those searches trained 12,800 and 20,000 networks; ours train hundreds. What differs from the papers for that reason:

- A reward counts by its rank among all rewards so far, as a normal score, not by its value. So a policy learns alike
  from accuracies, their cubes (Zoph & Le) and latencies, one disastrous network doesn't drown the differences between
  good ones, and an infinite value is simply the worst. The baseline is the moving average of those scores.
- Losses are means over choices, and PPO clips the ratio of each choice. In the papers a loss has the log-probability of
  the whole architecture, the sum over its choices, and PPO its ratio: with 40 choices that soon leaves [1 - clip, 1 +
  clip], where a batch teaches nothing more. `joint` is the papers' way, and `nas2016`'s and `nasnet`'s.
- Small controllers, small batches and a learning rate some thirty times NASNet's (0.00035), held by a larger entropy
  bonus (NASNet's weight is 0.00001).
- No proposal is a repeat where the caller can tell. So many updates on so few networks make the policy certain early,
  and it would evaluate the same ones over and over.
- Weights are not tied across choices of a kind: tied, PPO ended worse on both tables and far worse on made-up spaces of
  24 and 42 choices. Zoph & Le need it for networks that grow deeper; a `Space` has a fixed number of choices.

`nas bench` measures the result; docs/bench.md states it.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Annotated, Literal

import torch
from torch import Tensor

from nas.checks.limits import Number
from nas.samplers.controller import Controller
from nas.samplers.ranks import Powers, Ranks
from nas.samplers.settings import Count, Draws, Natural, Positive, Rounds, Share, Weight, check
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, Update, derived_seed
from searchspaces.space import Arch, Choice

HUGE = 1e300  # an infinite reward is taken to be so in a mean, which is then a number
MOST = 20.0  # of the logarithm of a ratio: that of a whole architecture may have no number in single precision


def reinforce_loss(
    log_probs: Tensor, entropies: Tensor, advantages: Tensor, entropy_weight: float, mask: Tensor
) -> Tensor:
    """-(A log pi + w H), the mean over what `mask` has.

    `log_probs`, `entropies`, `mask`: `[B, T]`, the last True where the choice was the policy's; `advantages`: `[B]`. Of
    whole architectures, as in the papers, T is 1.
    """
    return -(advantages[:, None] * log_probs + entropy_weight * entropies)[mask].mean()


def ppo_loss(
    log_probs: Tensor,
    entropies: Tensor,
    advantages: Tensor,
    entropy_weight: float,
    mask: Tensor,
    *,
    old_log_probs: Tensor,
    clip: float,
) -> Tensor:
    """-(min(r A, clip(r, 1 - c, 1 + c) A) + w H), r = pi / pi_old of each choice. Shapes as in `reinforce_loss`."""
    ratios = (log_probs - old_log_probs).clamp(max=MOST).exp()
    surrogates = torch.minimum(ratios * advantages[:, None], ratios.clamp(1 - clip, 1 + clip) * advantages[:, None])
    return -(surrogates + entropy_weight * entropies)[mask].mean()


@dataclasses.dataclass(frozen=True)
class PolicyGradient:
    """Settings of a learner. `epochs` and `clip` are PPO's; REINFORCE takes one step a batch."""

    algorithm: Literal["reinforce", "ppo"]
    hidden: Annotated[int, Number(1, 4096, whole=True)] = 32  # LSTM units of a layer
    layers: Annotated[int, Number(1, 16, whole=True)] = 1
    tie: bool = False  # weights tied across choices of a kind, see Controller
    learning_rate: Positive = 0.01  # of Adam
    batch: Count = 5  # architectures an update
    entropy_weight: Weight = 0.1  # to the mean over choices, beside advantages of variance 1
    baseline_decay: Share = 0.9  # an update
    epochs: Rounds = 3
    clip: Positive = 0.2
    tries: Draws = 32  # draws to find an architecture that is not a repeat
    queue: Natural = 0  # the best so far that the policy is trained on as on examples, beside each batch
    queue_weight: Weight = 1.0  # of their mean log-probability
    init: Weight = 0.1  # weights begin uniform in [-init, init]
    power: Positive | None = None  # of a reward, by which it counts; None: by its rank
    best_of_last: Count = 1  # epochs of a training: the best reward among them counts
    joint: bool = False  # losses of whole architectures, as in the papers; else of choices

    def __post_init__(self) -> None:
        check(self)

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> Learner:
        return Learner(choices, self, seed)


REINFORCE = PolicyGradient("reinforce", learning_rate=0.02)  # one step where PPO takes three
PPO = PolicyGradient("ppo")


class Learner:
    """A controller that proposes architectures and learns from their rewards, `settings.batch` at a time.

    Its state is a function of (`choices`, `settings`, `seed`, what it was told, in order); a proposal is a function of
    that state, the seed and the proposal's number. `updates` has a record of each update.
    """

    def __init__(self, choices: Sequence[Choice], settings: PolicyGradient, seed: int) -> None:
        self.settings = settings
        self.seed = seed
        self.controller = Controller(
            choices, settings.hidden, settings.tie, _generator(seed), settings.layers, settings.init
        )
        self.optimizer = torch.optim.Adam(self.controller.parameters(), settings.learning_rate, fused=True)
        self.baseline = 0.0
        self.updates: list[Update] = []
        self._rewards = Ranks() if settings.power is None else Powers(settings.power)
        self._queue: list[Feedback] = []  # the best so far, the very best last
        self._batch: list[Feedback] = []  # waits until it is full
        # Half of the tries at temperature 1, then up to 16, so that a certain policy finds new ones too.
        self._temperature = 2 ** torch.linspace(-4, 4, settings.tries).clamp(min=0)

    def propose(self, context: Context) -> Proposal:
        """The first of up to `settings.tries` draws that is not a repeat; the first draw if all are."""
        temperature = self._temperature[: None if context.repeats else 1]
        generator = _generator(self.seed, context.number)
        rollout = self.controller(len(temperature), generator, temperature=temperature, fixed=context.fixed)
        archs = [tuple(actions) for actions in rollout.actions.tolist()]
        row = next((row for row, arch in enumerate(archs) if context.is_new(arch)), 0)
        return Proposal(archs[row], tuple(rollout.log_probs[row].tolist()))

    def tell(self, feedback: Feedback) -> None:
        """Learns from it, once its batch is full. What leaves nothing to choose teaches nothing."""
        if len(feedback.fixed) == len(feedback.arch):
            return
        feedback = self._counted(feedback)
        if self.settings.queue:
            bisect.insort(self._queue, feedback, key=lambda told: told.reward)
            self._queue = self._queue[-self.settings.queue :]
        self._batch.append(feedback)
        if len(self._batch) == self.settings.batch:
            self._update(self._batch)
            self._batch = []

    def _counted(self, feedback: Feedback) -> Feedback:
        """With the best reward of the last epochs as its own."""
        if self.settings.best_of_last == 1:
            return feedback
        last = feedback.shown[-self.settings.best_of_last :]
        return dataclasses.replace(feedback, reward=max(feedback.reward, *last) if last else feedback.reward)

    def _update(self, batch: list[Feedback]) -> None:
        settings = self.settings
        actions = torch.tensor([feedback.arch for feedback in batch])
        scores = self._scores([feedback.reward for feedback in batch])
        old_log_probs = self._old_log_probs(batch, actions)
        loss = torch.zeros(())
        for _ in range(settings.epochs if settings.algorithm == "ppo" else 1):
            loss = self._step(actions, _free(batch), scores - self.baseline, old_log_probs)
        self._record(batch, actions, old_log_probs, scores, loss)
        self.baseline += (1 - settings.baseline_decay) * (float(scores.mean()) - self.baseline)

    def _step(self, actions: Tensor, free: Tensor, advantages: Tensor, old_log_probs: Tensor) -> Tensor:
        """One of Adam on a batch `[B, T]` and, in the same call of the LSTM, on the best so far; returns the loss."""
        settings, size = self.settings, len(actions)
        best = [torch.tensor([feedback.arch]) for feedback in self._queue]
        rollout = self.controller(actions=torch.cat([actions, *best]))
        log_probs, of_best = rollout.log_probs.tensor_split([size])
        entropies, free_of_best = rollout.entropies[:size], _free(self._queue)
        if settings.joint:
            log_probs, old_log_probs, entropies = (_joint(t, free) for t in (log_probs, old_log_probs, entropies))
            of_best = _joint(of_best, free_of_best)
            free, free_of_best = free.any(dim=1, keepdim=True), free_of_best.any(dim=1, keepdim=True)
        terms = (log_probs, entropies, advantages, settings.entropy_weight, free)
        if settings.algorithm == "ppo":
            loss = ppo_loss(*terms, old_log_probs=old_log_probs, clip=settings.clip)
        else:
            loss = reinforce_loss(*terms)
        if best:
            loss = loss - settings.queue_weight * of_best[free_of_best].mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _scores(self, rewards: list[float]) -> Tensor:
        """Normal scores `[B]` of the rewards: mean 0 and variance 1 over all rewards so far, whatever their scale.

        Or their powers; the first ones' mean is then the first baseline, as papers don't say what is.
        """
        for reward in rewards:
            self._rewards.add(reward)
        scores = torch.from_numpy(self._rewards.scores(rewards)).float()
        if self.settings.power is not None and not self.updates:
            self.baseline = float(scores.mean())
        return scores

    @torch.no_grad()
    def _old_log_probs(self, batch: list[Feedback], actions: Tensor) -> Tensor:
        log_probs: Tensor = self.controller(actions=actions).log_probs
        for row, feedback in enumerate(batch):
            if feedback.log_probs is not None:
                log_probs[row] = torch.tensor(feedback.log_probs)
        return log_probs

    @torch.no_grad()
    def _record(
        self, batch: list[Feedback], actions: Tensor, old_log_probs: Tensor, scores: Tensor, loss: Tensor
    ) -> None:
        rollout = self.controller(actions=actions)
        log_ratios = rollout.log_probs - old_log_probs
        clipped = _joint(log_ratios, _free(batch)) if self.settings.joint else log_ratios
        self.updates.append(
            Update(
                mean_reward=fmean(min(max(feedback.reward, -HUGE), HUGE) for feedback in batch),
                mean_score=float(scores.mean()),
                baseline=self.baseline,
                advantage_mean=float(scores.mean()) - self.baseline,
                advantage_std=float(scores.std(correction=0)),
                loss=float(loss),
                entropy=float(rollout.entropies.mean()),
                kl=float((log_ratios.exp() - 1 - log_ratios).sum(dim=1).mean()),
                clip_fraction=float((clipped.exp() - 1).abs().gt(self.settings.clip).float().mean()),
            )
        )


def _joint(values: Tensor, free: Tensor) -> Tensor:
    """`[B, T]` of choices -> `[B, 1]` of architectures: the sums over the choices that were free."""
    return (values * free).sum(dim=1, keepdim=True)


def _free(experiences: Sequence[Feedback]) -> Tensor:
    """`[B, T]`: where the choice was the strategy's."""
    free = torch.ones(len(experiences), len(experiences[0].arch) if experiences else 1, dtype=torch.bool)
    for row, feedback in enumerate(experiences):
        free[row, list(feedback.fixed)] = False
    return free


def _generator(*key: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(*key))
