"""How well a detector finds the objects of a folder with boxes, trained from random weights.

    python benchmarks/detection.py BCCD                                    # SSDLite on a ResNet-18 of half the width
    python benchmarks/detection.py BCCD --network mobilenet_v2 --epochs 60 --pictures found.png
    python benchmarks/detection.py BCCD --head efficientdet

On images of --image-size pixels, with AdamW whose rate rises and falls (one cycle), batches of 16, parts of the images
mirrored. Mean average precision is of the validation images on the way, and of the test images at the end. Computes
with as many threads as OMP_NUM_THREADS says.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nas import baselines
from nas.data import box_batches
from nas.data.augmentation import Augment
from nas.data.boxes import BoxData, Boxed, BoxFolder
from nas.data.drawn_boxes import drawn
from nas.detection.average_precision import mean_average_precision
from nas.detection.detector import Detector, Found
from nas.detection.efficientdet import TABLE_1, with_pyramid
from nas.detection.ssdlite import ssdlite

BATCH, SHOWN = 16, 4
AUGMENT = Augment(pad=0, min_area=0.4, color_jitter=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--network", default="resnet18@0.5")
    parser.add_argument("--head", choices=["ssdlite", "efficientdet"], default="ssdlite")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--image-size", type=int, default=240)
    parser.add_argument("--smallest", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()

    folder = BoxFolder(asked.path, asked.image_size)
    data, test = folder.dataset(), folder.test()
    torch.manual_seed(asked.seed)
    detector = built(asked, len(data.class_names))
    print(f"{sum(p.numel() for p in detector.parameters()):,} parameters")
    train(detector, data, asked)
    judged, found = judge(detector, data, test)
    print("test", said(judged))
    if asked.pictures:
        save(asked.pictures, test, found, data.class_names)


def built(asked: argparse.Namespace, classes: int) -> Detector:
    network = baselines.build(asked.network, 10, asked.image_size)
    if asked.head == "ssdlite":
        return ssdlite(network, classes, asked.image_size, asked.smallest)
    return with_pyramid(network, classes, TABLE_1["d0"]._replace(image_size=asked.image_size))


def train(detector: Detector, data: BoxData, asked: argparse.Namespace) -> None:
    generator = torch.Generator().manual_seed(asked.seed)
    optimizer = torch.optim.AdamW(detector.parameters(), asked.lr, weight_decay=1e-4)
    steps = asked.epochs * max(1, len(data.train.pixels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, asked.lr, total_steps=steps)
    began = time.perf_counter()
    for epoch in range(1, asked.epochs + 1):
        losses = []
        for x, objects in box_batches.training(
            data.train, data.mean, data.std, batch_size=BATCH, augment=AUGMENT, generator=generator
        ):
            loss = detector.loss(detector(x), objects)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if epoch % 5 == 0:
            seconds = time.perf_counter() - began
            mean = sum(losses) / len(losses)
            print(f"epoch {epoch}, {seconds:.0f} s: loss {mean:.3f}, {said(judge(detector, data, data.val)[0])}")


@torch.no_grad()
def judge(detector: Detector, data: BoxData, split: Boxed) -> tuple[dict[str, Any], list[Found]]:
    detector.eval()
    found, objects = [], []
    for x, shown in box_batches.evaluation(split, data.mean, data.std, batch_size=BATCH):
        found.append(detector.found(detector(x), *x.shape[2:]))
        objects.append(shown)
    detector.train()
    return mean_average_precision(found, objects, data.class_names), found


def said(judged: dict[str, Any]) -> str:
    by_class = ", ".join(f"{name} {value:.3f}" for name, value in judged["by_class"].items() if value is not None)
    return f"mAP {judged['map']:.3f}, at 0.5 {judged['map_50']:.3f}; {by_class}"


def save(file: Path, split: Boxed, found: list[Found], names: tuple[str, ...]) -> None:
    """The first images beside each other, with what was found in them."""
    side = split.pixels.shape[1]
    sheet = Image.new("RGB", (side * SHOWN, side))
    for i, pixels in enumerate(split.pixels[:SHOWN].numpy()):
        sheet.paste(drawn(pixels, found[0].boxes[i], found[0].scores[i], found[0].classes[i], names), (side * i, 0))
    sheet.save(file)


if __name__ == "__main__":
    main()
