"""torchvision's names of our networks' tensors (torchvision 0.28)."""

from __future__ import annotations

from nas.baselines.pretrained.naming import Naming

RESNET = Naming(
    (
        (r"^conv1\.0\.", "conv1."),
        (r"^conv1\.1\.", "bn1."),
        (r"^conv(\d)_x\.", lambda m: f"layer{int(m[1]) - 1}."),
        (r"\.body\.(\d)\.0\.", lambda m: f".conv{int(m[1]) + 1}."),
        (r"\.body\.(\d)\.1\.", lambda m: f".bn{int(m[1]) + 1}."),
        (r"\.shortcut\.", ".downsample."),
        (r"^fc\.2\.", "fc."),
    )
)

NAMINGS: dict[str, Naming] = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), RESNET),
}
