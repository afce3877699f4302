"""The controllers of the papers, at the papers' settings, which were for thousands of networks.

Zoph & Le 2016, arXiv 1611.01578, sections 3.2 and 4.1, trained 12,800 networks. The controller is an LSTM of two layers
of 35 units, its weights uniform in [-0.08, 0.08], trained by REINFORCE with Adam at 0.0006 on batches of 8
architectures (100 replicas did so side by side): their mean of the sum of the log-probabilities of an architecture's
choices. The reward is the cube of the best validation accuracy of the last five epochs, and so it is here: the ledger
keeps the last epoch's as every search does, and what the epochs before it showed. There is no entropy bonus.

Zoph et al. 2017 (NASNet), arXiv 1707.07012, appendix A, trained 20,000. The controller is an LSTM of one layer of 100
units, its weights uniform in [-0.1, 0.1], trained by PPO at 0.00035 on batches of 20 with an entropy bonus of 0.00001
and a moving average of the rewards with the weight 0.95 as the baseline. The gradient is that of the joint probability
of an architecture, the product over its choices, so PPO's ratio is, too, and an entropy the sum over choices.

What they do not say, or we do otherwise, stands beside the rows.
"""

from __future__ import annotations

from nas.samplers.policy_gradient import PolicyGradient

DECAY = 0.95  # of the baseline, a reward; ours moves once a batch, by as much

NAS2016 = PolicyGradient(
    "reinforce",
    hidden=35,
    layers=2,
    init=0.08,
    tie=True,
    power=3,
    best_of_last=5,
    joint=True,
    learning_rate=0.0006,
    batch=8,  # of one replica: there were 100, which did not wait for each other
    entropy_weight=0.0,
    baseline_decay=DECAY**8,  # the paper has a moving average and does not say of what weight: NASNet's
    # Repeats are drawn again, as by all our strategies. The connections of a layer are decided one after the other, not
    # at once (`PairScore`). The number of layers grows where the space says so: --space-set grow_every=50.
)
NASNET = PolicyGradient(
    "ppo",
    hidden=100,
    joint=True,
    power=1,
    learning_rate=0.00035,  # the optimizer is not said: Adam
    batch=20,
    entropy_weight=0.00001,
    baseline_decay=DECAY**20,
    # The clip and the steps a batch are not said: those of `PolicyGradient`. Repeats are drawn again.
)
