"""timm's names of our networks' tensors (timm 1.0), where they are not torchvision's."""

from __future__ import annotations

import re
from dataclasses import replace

from nas.baselines.pretrained.naming import Naming, Rule
from nas.baselines.pretrained.torchvision import INCEPTION_V3, RESNET, RESNET_STAGES, UNIT
from scaling.efficientnet import LITE, B

# inception_v4 numbers its modules through; of each stage the number of its first.
FIRST = {"stem": 0, "inception_a": 6, "reduction_a": 10, "inception_b": 11, "reduction_b": 18, "inception_c": 19}

INCEPTION_V4 = Naming(
    (
        (r"^(stem|inception_.)\.(\d)\.", lambda m: f"features.{FIRST[m[1]] + int(m[2])}."),
        (r"^(reduction_.)\.", lambda m: f"features.{FIRST[m[1]]}."),
        (r"^features\.(3\.1|5\.0)\.", lambda m: f"features.{m[1][0]}.conv."),
        (r"^features\.(\d+)\.(\d)\.(?=\d)", r"features.\1.branch\2."),
        (r"^(features\.(?:19|2.)\.branch[12])\.(\d)\.(\d)\.(?=\d)", lambda m: f"{m[1]}_{m[2]}{'ab'[int(m[3])]}."),
        (r"^(features\.(?:19|2.)\.branch[12])\.(\d)\.(?=\d)", r"\1_\2."),
        (r"^fc\.3\.", "last_linear."),
        *UNIT,
    )
)

STEM = {"0": "conv2d_1a", "1": "conv2d_2a", "2": "conv2d_2b", "4": "conv2d_3b", "5": "conv2d_4a", "7": "mixed_5b"}
INCEPTION_RESNET_V2 = Naming(
    (
        (r"^stem\.(\d)\.", lambda m: f"{STEM[m[1]]}."),
        (r"^inception_resnet_a\.", "repeat."),
        (r"^inception_resnet_b\.", "repeat_1."),
        (r"^inception_resnet_c\.9\.", "block8."),
        (r"^inception_resnet_c\.", "repeat_2."),
        (r"^reduction_a\.", "mixed_6a."),
        (r"^reduction_b\.", "mixed_7a."),
        (r"\.body\.1\.0\.", ".conv2d."),
        (r"\.body\.0\.(\d)\.", r".branch\1."),
        (r"^(mixed_..)\.(\d)\.", r"\1.branch\2."),
        (r"^fc\.3\.", "classif."),
        *UNIT,
    )
)

# Its blocks number ReLUs, convolutions and norms through, where ours have convolution and norm as one.
XCEPTION = Naming(
    (
        (r"^conv([12])\.0\.", r"conv\1."),
        (r"^conv([12])\.1\.", r"bn\1."),
        (r"\.body\.(\d)\.", lambda m: f".rep.{(3 * int(m[1]) - int(m[1]) % 2) // 2}."),
        (r"\.rep\.(\d)\.1\.1\.", lambda m: f".rep.{int(m[1]) + 1}."),
        (r"^conv([34])\.0\.1\.1\.", r"bn\1."),
        (r"^(conv[34])\.0\.", r"\1."),
        (r"\.0\.0\.weight", ".conv1.weight"),
        (r"\.1\.0\.weight", ".pointwise.weight"),
        (r"\.shortcut\.0\.", ".skip."),
        (r"\.shortcut\.1\.", ".skipbn."),
        (r"^fc\.3\.", "fc."),
    )
)


def _se_resnet(*stem: Rule) -> Naming:
    excite = (r"\.body\.3\.reduce\.", ".se_module.fc1."), (r"\.body\.3\.expand\.", ".se_module.fc2.")
    return Naming((*stem, *RESNET_STAGES, *excite, (r"^fc\.\d\.", "last_linear.")))


SE_RESNET = _se_resnet((r"^conv1\.0\.", "layer0.conv1."), (r"^conv1\.1\.", "layer0.bn1."))
SENET154 = _se_resnet(
    (r"^conv1\.(\d)\.0\.", lambda m: f"layer0.conv{int(m[1]) + 1}."),
    (r"^conv1\.(\d)\.1\.", lambda m: f"layer0.bn{int(m[1]) + 1}."),
)

RESNEST = Naming(
    (
        (r"^conv1\.2\.1\.", "bn1."),
        (r"^conv1\.(\d)\.(\d)\.", lambda m: f"conv1.{3 * int(m[1]) + int(m[2])}."),
        *RESNET_STAGES,
        (r"\.body\.conv([13])\.0\.", r".conv\1."),
        (r"\.body\.conv([13])\.1\.", r".bn\1."),
        (r"\.body\.conv2\.conv\.0\.", ".conv2.conv."),
        (r"\.body\.conv2\.conv\.1\.", ".conv2.bn0."),
        (r"\.body\.conv2\.reduce\.0\.", ".conv2.fc1."),
        (r"\.body\.conv2\.reduce\.1\.", ".conv2.bn1."),
        (r"\.body\.conv2\.expand\.", ".conv2.fc2."),
        (r"\.downsample\.conv\.(\d)\.", lambda m: f".downsample.{int(m[1]) + 1}."),
        (r"^fc\.2\.", "fc."),
    )
)

ROW = r"^(?:separable|bottleneck|block|stage)(\d)\.(\d+)\.(?:body\.)?"


def _mobile(first: int = 1, separable: bool = False) -> Naming:
    """Of MobileNets and what came of them. Row `first` is timm's `blocks.0`, which has no expansions; with
    `separable` no row has."""

    def part(m: re.Match[str]) -> str:
        stage, i, layer, kind = map(int, m.groups())
        names = ("conv_dw", "conv_pw") if separable or stage == first else ("conv_pw", "conv_dw", "conv_pwl")
        layer = min(layer, len(names) - 1)  # squeeze-excitation has its place before the last convolution
        return f"blocks.{stage - first}.{i}.{f'bn{layer + 1}' if kind else names[layer]}."

    return Naming(
        (
            (r"^(?:conv1|stage1)\.0\.", "conv_stem."),
            (r"^(?:conv1|stage1)\.1\.", "bn1."),
            (r"^(?:conv_last|stage9\.0)\.0\.", "conv_head."),
            (r"^(?:conv_last|stage9\.0)\.1\.", "bn2."),
            (r"^(?:head|stage9\.1)\.\d\.", "classifier."),
            (rf"{ROW}\d\.(reduce|expand)\.", lambda m: f"blocks.{int(m[1]) - first}.{m[2]}.se.conv_{m[3]}."),
            (rf"{ROW}(\d)\.(\d)\.", part),
        )
    )


def _nasnet_separable(m: re.Match[str]) -> str:
    i = int(m[1]) + 1
    return {
        "depthwise.0": f".separable_{i}.depthwise_conv2d.",
        "pointwise.0": f".separable_{i}.pointwise_conv2d.",
        "pointwise.1": f".bn_sep_{i}.",
    }[m[2]]


NASNET = Naming(
    (
        (r"\.blocks\.(\d)\.(left|right)\.", r".comb_iter_\1_\2."),
        (r"\.(\d)\.((?:depth|point)wise\.\d)\.", _nasnet_separable),
        (r"\.previous\.1\.path(\d)\.", r".path_\1.conv."),
        (r"\.previous\.1\.norm\.", ".final_path_bn."),
        (r"\.previous\.1\.", ".conv_prev_1x1."),
        (r"\.current\.1\.", ".conv_1x1."),
        (r"^final_layer\.2\.\d\.", "last_linear."),
        *UNIT,
    )
)

NFNET = Naming(
    (
        (r"^stem\.(\d)\.", lambda m: f"stem.conv{int(m[1]) // 2 + 1}."),
        (r"^stage(\d)\.", lambda m: f"stages.{int(m[1]) - 1}."),
        (r"^(stages\.\d\.\d+)\.gain$", r"\1.skipinit_gain"),
        (r"\.body\.7\.reduce\.", ".attn_last.fc1."),
        (r"\.body\.7\.expand\.", ".attn_last.fc2."),
        (r"\.body\.(\d)\.", lambda m: f".{({'0': 'conv1', '2': 'conv2', '4': 'conv2b', '6': 'conv3'})[m[1]]}."),
        (r"\.shortcut\.\d\.", ".downsample.conv."),
        (r"^conv_last\.0\.", "final_conv."),
        (r"^head\.\d\.", "head.fc."),
    )
)

VIT = Naming(
    (
        (r"^patches\.0\.", "patch_embed.proj."),
        (r"^embedding\.class_token", "cls_token"),
        (r"^embedding\.positions", "pos_embed"),
        (r"^encoder\.", "blocks."),
        (r"\.msa\.body\.0\.", ".norm1."),
        (r"\.msa\.body\.1\.qkv\.", ".attn.qkv."),
        (r"\.msa\.body\.1\.out\.", ".attn.proj."),
        (r"\.mlp\.body\.0\.", ".norm2."),
        (r"\.mlp\.body\.(\d)\.0\.", r".mlp.fc\1."),
        (r"^head\.1\.0\.", "head."),
    )
)


NAMINGS: dict[str, Naming] = {
    "inception_v3": INCEPTION_V3,
    "inception_v4": INCEPTION_V4,
    "inception_resnet_v2": INCEPTION_RESNET_V2,
    "xception": XCEPTION,
    "resnext101_32x4d": RESNET,
    **dict.fromkeys(("se_resnet50", "se_resnet101", "se_resnet152"), SE_RESNET),
    **dict.fromkeys(("se_resnext50_32x4d", "se_resnext101_32x4d"), SE_RESNET),
    "senet154": SENET154,
    **dict.fromkeys(("resnest50", "resnest101", "resnest200", "resnest269"), RESNEST),
    **dict.fromkeys(("resnest50_4s2x40d", "resnest50_1s4x24d"), RESNEST),
    "mobilenet_v1+relu6": _mobile(separable=True),
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v2@1.4", "mnasnet_a1", "mnasnet_b1"), _mobile()),
    **{f"efficientnet_{name}": replace(_mobile(first=2), eps=1e-5) for name in (*B, *LITE)},
    **{f"efficientnet_{name}+tf": _mobile(first=2) for name in (*B, *LITE)},
    "nasnet_a_large": NASNET,
    **dict.fromkeys(("vit_b_16", "vit_b_32", "vit_l_16"), VIT),
    "nfnet_f0": NFNET,
}
