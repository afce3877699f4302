"""torchvision's names of our networks' tensors (torchvision 0.28)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from nas.baselines import squeezenet, vgg
from nas.baselines.pretrained.naming import Naming, Rule
from searchspaces.mnas import SKELETON

RESNET_STAGES: tuple[Rule, ...] = (
    (r"^conv(\d)_x\.", lambda m: f"layer{int(m[1]) - 1}."),
    (r"\.body\.(\d)\.0\.", lambda m: f".conv{int(m[1]) + 1}."),
    (r"\.body\.(\d)\.1\.", lambda m: f".bn{int(m[1]) + 1}."),
    (r"\.shortcut\.", ".downsample."),
)
RESNET = Naming(
    ((r"^conv1\.0\.", "conv1."), (r"^conv1\.1\.", "bn1."), *RESNET_STAGES, (r"^fc\.2\.", "fc.")),
)

_DENSE_LAYER = r"^dense_block(\d)\.(\d+)\.1\.(\d)"
DENSENET = Naming(
    (
        (r"^convolution\.0\.", "features.conv0."),
        (r"^convolution\.1\.", "features.norm0."),
        (_DENSE_LAYER + r"\.0\.0\.", lambda m: f"{_dense_layer(m)}.norm{int(m[3]) + 1}."),
        (_DENSE_LAYER + r"\.1\.0\.", lambda m: f"{_dense_layer(m)}.conv{int(m[3]) + 1}."),
        (r"^transition(\d)\.0\.0\.0\.", r"features.transition\1.norm."),
        (r"^transition(\d)\.0\.1\.0\.", r"features.transition\1.conv."),
        (r"^classification\.norm\.0\.", "features.norm5."),
        (r"^classification\.fc\.2\.", "classifier."),
    ),
    older=((r"(\.denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2"),),  # before PyTorch 1.0: norm.1
)


def _dense_layer(m: re.Match[str]) -> str:
    return f"features.denseblock{m[1]}.denselayer{int(m[2]) + 1}"


ALEXNET_FEATURES = {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10}
ALEXNET = Naming(
    (
        (r"^(conv\d)\.0\.", lambda m: f"features.{ALEXNET_FEATURES[m[1]]}."),
        (r"^fc6\.1\.0\.", "classifier.1."),
        (r"^fc7\.0\.0\.", "classifier.4."),
        (r"^fc8\.0\.", "classifier.6."),
    )
)


def _vgg(stages: Sequence[Sequence[int]], batch_norm: bool) -> Naming:
    """`features` counts every module: two or three a convolution, and the pools."""
    step = 3 if batch_norm else 2

    def feature(m: re.Match[str]) -> str:
        stage, i, part = map(int, m.groups())
        before = sum(step * len(kernels) + 1 for kernels in stages[: stage - 1])
        return f"features.{before + step * (i - 1) + part}."

    return Naming(
        (
            (r"^conv(\d)_(\d)\.(\d)\.", feature),
            (r"^fc6\.1\.0\.", "classifier.0."),
            (r"^fc7\.0\.0\.", "classifier.3."),
            (r"^fc8\.0\.", "classifier.6."),
        )
    )


def _squeezenet(pools: Collection[str]) -> Naming:
    """`features`: conv1 and its ReLU, the pools, the fire modules; `pools` names the rows that a pool follows."""
    features = {"conv1": 0}
    at = 2
    for row, following in itertools.pairwise(["conv1", *squeezenet.SQUEEZED]):
        at += row in pools
        features[following] = at
        at += 1
    return Naming(
        (
            (r"^conv10\.1\.0\.", "classifier.1."),
            (r"^conv1\.0\.", "features.0."),
            (r"^(fire\d)\.", lambda m: f"features.{features[m[1]]}."),
            (r"\.squeeze\.0\.", ".squeeze."),
            (r"\.expand\.0\.0\.", ".expand1x1."),
            (r"\.expand\.1\.0\.", ".expand3x3."),
        )
    )


# The last two rules of networks whose convolutions are all followed by batch norm.
UNIT = ((r"\.0\.(\w+)$", r".conv.\1"), (r"\.1\.(\w+)$", r".bn.\1"))

GOOGLENET = Naming(
    (
        (r"^inception_4a\.head\.", "aux1."),
        (r"^inception_4d\.head\.", "aux2."),
        (r"\.row\.", "."),
        (r"^(aux\d)\.fc1\.1\.0\.", r"\1.fc1."),
        (r"^(aux\d)\.fc2\.0\.", r"\1.fc2."),
        (r"^inception_(\d\w)\.(\d)\.", lambda m: f"inception{m[1]}.branch{int(m[2]) + 1}."),
        (r"^conv2\.1\.", "conv3."),
        (r"^conv2\.0\.", "conv2."),
        (r"^fc\.3\.", "fc."),
        *UNIT,
    ),
    extra=r"aux\d\.",
)

# The branches of Inception-v3's modules, as it calls them; those of other rows of a group are the group's.
BRANCHES = {
    "5": ("1x1", "5x5", "3x3dbl", "_pool"),
    "6a": ("3x3", "3x3dbl"),
    "6": ("1x1", "7x7", "7x7dbl", "_pool"),
    "7a": ("3x3", "7x7x3"),
    "7": ("1x1", "3x3", "3x3dbl", "_pool"),
}


def _branch(m: re.Match[str]) -> str:
    names = BRANCHES.get(m[1], BRANCHES[m[1][0]])
    return f"Mixed_{m[1]}.branch{names[int(m[2])]}."


INCEPTION_V3 = Naming(
    (
        (r"^mixed_6e\.head\.", "AuxLogits."),
        (r"\.row\.", "."),
        (r"^AuxLogits\.fc\.2\.", "AuxLogits.fc."),
        (r"^conv2d", "Conv2d"),
        (r"^mixed_(\d\w)\.(\d)\.", _branch),
        (r"_pool\.1\.", "_pool."),
        (r"(branch\w+)\.(\d)\.(\d)\.(\d)\.", lambda m: f"{m[1]}_{int(m[2]) + 1}{'ab'[int(m[3])]}.{m[4]}."),
        (r"(branch\w+)\.(\d)\.(\d)\.", lambda m: f"{m[1]}_{int(m[2]) + 1}.{m[3]}."),
        (r"^fc\.3\.", "fc."),
        *UNIT,
    ),
    extra=r"AuxLogits\.",
)


def _mobilenet_v2() -> Naming:
    """`features` counts every block; a block's last convolution and its norm are not in a module of their own."""
    layers = [n for _, _, n, _, _ in SKELETON]

    def part(m: re.Match[str]) -> str:
        stage, i, layer, kind = map(int, m.groups())
        is_last = layer == (1 if stage == 1 else 2)
        return f"features.{sum(layers[: stage - 1]) + i + 1}.conv.{layer + kind if is_last else f'{layer}.{kind}'}."

    return Naming(
        (
            (r"^conv1\.", "features.0."),
            (r"^bottleneck(\d)\.(\d)\.(?:body\.)?(\d)\.(\d)\.", part),
            (r"^conv_last\.", f"features.{sum(layers) + 1}."),
            (r"^head\.2\.", "classifier.1."),
        )
    )


# Of a convolution, its norm and its activation each counts, and so does one that is left out after the last.
MNASNET = Naming(
    (
        (r"^conv1\.", "layers."),
        (r"^block1\.0\.(\d)\.(\d)\.", lambda m: f"layers.{3 + 3 * int(m[1]) + int(m[2])}."),
        (
            r"^block(\d)\.(\d)\.(?:body\.)?(\d)\.(\d)\.",
            lambda m: f"layers.{6 + int(m[1])}.{m[2]}.layers.{3 * int(m[3]) + int(m[4])}.",
        ),
        (r"^conv_last\.(\d)\.", lambda m: f"layers.{14 + int(m[1])}."),
        (r"^head\.3\.", "classifier.1."),
    )
)

# The left branch has no activation between its convolutions, and neither has the right one after the second.
SHUFFLENET_V2 = Naming(
    (
        (r"^(stage\d\.\d)\.0\.0\.(\d)\.(\d)\.", lambda m: f"{m[1]}.branch1.{2 * int(m[2]) + int(m[3])}."),
        (
            r"^(stage\d\.\d)\.0\.(?:1|body)\.(\d)\.(\d)\.",
            lambda m: f"{m[1]}.branch2.{(0, 3, 5)[int(m[2])] + int(m[3])}.",
        ),
        (r"^fc\.2\.", "fc."),
    )
)

EFFICIENTNET = Naming(
    (
        (r"^stage1\.", "features.0."),
        (r"^stage9\.0\.", "features.8."),
        (r"^stage9\.1\.3\.", "classifier.1."),
        (r"^stage(\d)\.(\d+)\.(?:body\.)?", lambda m: f"features.{int(m[1]) - 1}.{m[2]}.block."),
        (r"\.reduce\.", ".fc1."),
        (r"\.expand\.", ".fc2."),
    )
)

VIT = Naming(
    (
        (r"^patches\.0\.", "conv_proj."),
        (r"^embedding\.class_token", "class_token"),
        (r"^embedding\.positions", "encoder.pos_embedding"),
        (r"^encoder\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
        (r"\.msa\.body\.0\.", ".ln_1."),
        (r"\.msa\.body\.1\.qkv\.", ".self_attention.in_proj_"),
        (r"\.msa\.body\.1\.out\.", ".self_attention.out_proj."),
        (r"\.mlp\.body\.0\.", ".ln_2."),
        (r"\.mlp\.body\.1\.0\.", ".mlp.0."),
        (r"\.mlp\.body\.2\.0\.", ".mlp.3."),
        (r"^norm\.", "encoder.ln."),
        (r"^head\.1\.0\.", "heads.head."),
    ),
    older=((r"\.mlp\.linear_1\.", ".mlp.0."), (r"\.mlp\.linear_2\.", ".mlp.3.")),
)


NAMINGS: dict[str, Naming] = {
    "alexnet_one_tower": ALEXNET,
    **{name: _vgg(vgg.CONFIGURATIONS[name], False) for name in ("vgg11", "vgg13", "vgg16", "vgg19")},
    **{f"{name}_bn": _vgg(vgg.CONFIGURATIONS[name], True) for name in ("vgg11", "vgg13", "vgg16", "vgg19")},
    "googlenet+torchvision": GOOGLENET,
    "googlenet+torchvision+aux": replace(GOOGLENET, extra=None),
    "inception_v3": INCEPTION_V3,
    "inception_v3+aux": replace(INCEPTION_V3, extra=None),
    "squeezenet1_0": _squeezenet(squeezenet.VERSION_1_0[2]),
    "squeezenet1_1": _squeezenet(squeezenet.VERSION_1_1[2]),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), RESNET),
    **dict.fromkeys(("wide_resnet50_2", "wide_resnet101_2"), RESNET),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"), RESNET),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201"), DENSENET),
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v2@1.4"), _mobilenet_v2()),
    **dict.fromkeys(("mnasnet_b1", "mnasnet_b1@0.5", "mnasnet_b1@0.75", "mnasnet_b1@1.3"), MNASNET),
    **{f"shufflenet_v2_x{width}+torchvision": SHUFFLENET_V2 for width in ("0_5", "1_0", "1_5", "2_0")},
    **{f"efficientnet_b{i}": replace(EFFICIENTNET, eps=1e-5) for i in range(5)},
    **{f"efficientnet_b{i}": EFFICIENTNET for i in range(5, 8)},
    **dict.fromkeys(("vit_b_16", "vit_b_32", "vit_l_16"), VIT),
}
