"""The hand-designed networks that a search must beat: one file a family, each reads like its paper's table.

`zoo` has them by name, `pretrained` loads the checkpoints that torchvision, timm and others publish.
"""

from nas.baselines.entry import Baseline
from nas.baselines.pretrained import load_pretrained
from nas.baselines.zoo import BASELINES, build, find

__all__ = ["BASELINES", "Baseline", "build", "find", "load_pretrained"]
