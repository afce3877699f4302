"""The controllers of the papers, at the papers' settings, which were for thousands of networks.

Zoph & Le 2016, arXiv 1611.01578, section 4.1, trained 12,800 networks. The controller is an LSTM of two layers of 35
units, its weights uniform in [-0.08, 0.08], trained by REINFORCE with Adam at 0.0006 on batches of 8 architectures (100
replicas did so side by side) and rewarded by the cube of the validation accuracy. There is no entropy bonus. The decay
of the baseline is not said: that of NASNet stands for it.

Zoph et al. 2017 (NASNet), arXiv 1707.07012, appendix A.2 and A.3, trained 20,000. The controller is an LSTM of one
layer of 100 units, its weights uniform in [-0.1, 0.1], trained by PPO at 0.00035 on batches of 20 with an entropy bonus
of 0.00001 and a moving average of the rewards with the weight 0.95 as the baseline. The optimizer, the clip and the
steps a batch are not said: they are Adam, and what `PolicyGradient` has.

What is of neither: a repeat is drawn again, as by all our strategies.
"""

from __future__ import annotations

from nas.samplers.policy_gradient import PolicyGradient

DECAY = 0.95  # of the baseline, a reward

NAS2016 = PolicyGradient(
    "reinforce",
    hidden=35,
    layers=2,
    init=0.08,
    tie=True,
    power=3,
    learning_rate=0.0006,
    batch=8,
    entropy_weight=0.0,
    baseline_decay=DECAY**8,
)
NASNET = PolicyGradient(
    "ppo",
    hidden=100,
    power=1,
    learning_rate=0.00035,
    batch=20,
    entropy_weight=0.00001,
    baseline_decay=DECAY**20,
)
