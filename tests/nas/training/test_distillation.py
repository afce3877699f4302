"""The loss by a teacher is the paper's, and the teacher sees the images of the batch as it was trained to see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.data import Dataset, Images
from nas.data.preprocessing import Preprocessing
from nas.devices import recording
from nas.devices.precision import Precision
from nas.devices.tensor_program import TensorPrograms
from nas.network import Designed
from nas.training.distillation import Distillation, TeacherLogits
from nas.training.fine_tuning import EVERYTHING
from nas.training.recipe import DISTILL, DISTILL_TEMPERATURE, Recipe
from nas.training.step import CHECKED, WARM_UP, RecordedStep, Step, make_step
from nas.training.train import Training

CPU = torch.device("cpu")
OURS = Preprocessing(16, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
THEIRS = Preprocessing(16, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
RECIPE = Recipe(epochs=2, batch_size=20)


def teacher(theirs: Preprocessing = OURS, module: nn.Module | None = None, bf16: bool = False) -> TeacherLogits:
    torch.manual_seed(3)
    return TeacherLogits(module or Designed("resnet8@0.25").build(4, 16), theirs, OURS, bf16, CPU)


def student(name: str = "resnet8@0.25") -> nn.Module:
    torch.manual_seed(0)
    return Designed(name).build(4, 16)


# ------------------------------------------------------------------ the loss


@pytest.mark.parametrize(("share", "temperature"), [(0.5, 4.0), (0.9, 1.0), (1.0, 2.5), (0.0, 3.0)])
def test_the_loss_is_the_formula(share: float, temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    z, v = (torch.randn(6, 4, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    by_hand = 0.0
    for logits, taught in zip(z, v, strict=True):
        p, q = ((x / temperature).exp() / (x / temperature).exp().sum() for x in (taught, logits))
        by_hand += sum(p[c].item() * (p[c] / q[c]).log().item() for c in range(4)) / 6
    of_labels = torch.tensor(1.25, dtype=torch.float64)
    loss = Distillation(teacher(), share, temperature).loss(of_labels, z, v)
    assert loss.item() == pytest.approx((1 - share) * 1.25 + share * temperature**2 * by_hand, rel=1e-12)


def test_at_a_high_temperature_it_is_the_difference_of_logits() -> None:
    """Section 2.1: then the gradient is that of half the squared difference of zero-mean logits, over the classes."""
    z = torch.tensor([[1.0, -2.0, 3.0, 0.5]], dtype=torch.float64, requires_grad=True)
    v = torch.tensor([[0.0, 1.0, 2.0, -1.0]], dtype=torch.float64)
    Distillation(teacher(), 1.0, 1e4).loss(torch.zeros(()), z, v).backward()
    expected = ((z - z.mean()) - (v - v.mean())) / 4
    torch.testing.assert_close(z.grad, expected.detach(), rtol=1e-3, atol=1e-6)


def test_one_who_says_what_the_teacher_says_has_nothing_to_learn() -> None:
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    assert Distillation(teacher(), 1.0, 4.0).loss(torch.tensor(7.0), z, z.clone()).item() == pytest.approx(0, abs=1e-6)


def test_what_is_usual_is_filled_in_and_what_is_said_stays() -> None:
    assert (Recipe().distill, Recipe().distill_temperature) == (None, None)
    assert Recipe().taught() == Recipe(distill=DISTILL, distill_temperature=DISTILL_TEMPERATURE)
    said = Recipe(distill=0.0, distill_temperature=2.0)
    assert said.taught() == said
    for changes in ({"distill": 1.1}, {"distill_temperature": 0}, {"distill": -1}, {"distill_temperature": "x"}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            Recipe().changed(changes)


# ------------------------------------------------------------------ what the teacher sees


class Seen(nn.Module):
    """Gives the mean of each channel as logits, and remembers what it got."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return x.mean((2, 3))


def images() -> Tensor:
    """uint8 `[3, 16, 16, 3]`."""
    return torch.randint(0, 256, (3, 16, 16, 3), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)


def test_images_are_as_in_its_own_training() -> None:
    seen = Seen()
    teacher(THEIRS, seen)(OURS.normalise(images()))
    torch.testing.assert_close(seen.x, THEIRS.normalise(images()), rtol=1e-5, atol=1e-5)
    assert seen.x.is_contiguous(memory_format=torch.channels_last)


def test_the_same_normalisation_leaves_every_bit() -> None:
    seen = Seen()
    x = OURS.normalise(images())
    teacher(OURS, seen)(x)
    assert seen.x is x


@pytest.mark.parametrize("size", [8, 12, 24, 32])
def test_images_of_another_size_are_resized(size: int) -> None:
    """As a data set is, but for what that rounds to whole brightnesses, before the normalisation."""
    seen = Seen()
    theirs = replace(THEIRS, image_size=size)
    teacher(theirs, seen)(OURS.normalise(images()))
    whole = theirs.normalise(Images(images(), torch.zeros(3, dtype=torch.int64)).resize(size).pixels)
    torch.testing.assert_close(seen.x, whole, rtol=0, atol=0.51 / 255 / min(THEIRS.std))
    assert seen.x.is_contiguous(memory_format=torch.channels_last)


def test_it_is_in_evaluation_mode_and_learns_nothing() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    taught = teacher(OURS, module)
    x = OURS.normalise(images()).requires_grad_()
    said = taught(x)
    assert said.equal(taught(x)) and not said.requires_grad and not module.training
    assert not any(p.requires_grad for p in module.parameters())
    assert all(tensor.equal(before[name]) for name, tensor in module.state_dict().items())


def test_it_computes_in_the_training_s_precision() -> None:
    seen: list[torch.dtype] = []
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module[0].register_forward_hook(lambda _, args, out: seen.append(out.dtype))
    x = OURS.normalise(images())
    assert teacher(OURS, module, bf16=True)(x).dtype == teacher(OURS, module)(x).dtype == torch.float32
    assert seen == [torch.bfloat16, torch.float32]


# ------------------------------------------------------------------ the step


def trained(dataset: Dataset, recipe: Recipe, share: float | None, name: str = "resnet8@0.25") -> dict[str, Tensor]:
    """The weights of a student after all its epochs, with the losses."""
    module = student(name)
    torch.manual_seed(7)
    distillation = None if share is None else Distillation(teacher(), share, 4.0)
    torch.manual_seed(7)  # whatever it took to build the teacher
    training = Training(module, dataset, recipe, 0, distillation=distillation)
    losses = torch.tensor([epoch.loss for epoch in training.epochs()])
    return module.state_dict() | {"losses": losses}


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, optimizer="adamw", lr=0.01),
        replace(RECIPE, mixup=0.2, cutmix=1.0, cutout=4),
        replace(RECIPE, bf16=True, class_weights="balanced"),
    ],
    ids=["sgd", "adamw", "mixed", "bfloat16"],
)
def test_a_share_of_nothing_is_the_ordinary_training(recipe: Recipe, tiny: Dataset) -> None:
    """Bit for bit."""
    plain, taught, other = (trained(tiny, recipe, share) for share in (None, 0.0, 0.5))
    for name, tensor in plain.items():
        assert tensor.numpy().tobytes() == taught[name].numpy().tobytes(), name
    assert not plain["losses"].equal(other["losses"])


@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_of_a_step_is_of_the_batch_that_is_learnt_from(mixed: bool, tiny: Dataset) -> None:
    recipe = replace(RECIPE, bf16=False, mixup=1.0, cutmix=1.0) if mixed else replace(RECIPE, bf16=False)
    module, taught = student(), teacher()
    step = Training(module, tiny, recipe, 0, distillation=Distillation(taught, 0.7, 3.0)).learn
    x, y = step.batch(next(iter(Training(student(), tiny, recipe, 0).batches.draw(torch.Generator().manual_seed(0)))))
    assert y.ndim == (2 if mixed else 1)
    module.train()
    z, v = module(x), taught.forward.network(x)
    of_labels = nn.functional.cross_entropy(z, y, label_smoothing=0.1)
    p = (v / 3).softmax(1)
    divergence = (p * (p.log() - (z / 3).log_softmax(1))).sum(1).mean()
    found = step.losses(x, y)
    torch.testing.assert_close(found, [0.3 * of_labels + 0.7 * 9 * divergence])


def test_auxiliary_classifiers_learn_from_it_too(tiny: Dataset) -> None:
    class Two(nn.Module):
        aux_weight = 0.4

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            z: Tensor = self.layer(x.mean((2, 3)))
            return (z, 2 * z) if self.training else z

    step = Training(Two(), tiny, replace(RECIPE, bf16=False), 0, distillation=Distillation(teacher(), 1.0, 2.0)).learn
    draw = next(iter(Training(student(), tiny, RECIPE, 0).batches.draw(torch.Generator().manual_seed(0))))
    x, y = step.batch(draw)
    first, second = step.losses(x, y)
    z, v = step.forward(x)[0], teacher()(x)
    for loss, logits in ((first, z), (second, 2 * z)):
        torch.testing.assert_close(loss, Distillation(teacher(), 1.0, 2.0).loss(loss.detach(), logits, v))


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("size", [16, 24])
def test_a_recorded_step_is_the_same_step(size: int, bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With images that are normalised anew and resized for the teacher. What records here freezes what a graph does."""
    monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    theirs = replace(THEIRS, image_size=size)
    generator = torch.Generator().manual_seed(5)
    batches = [
        (OURS.normalise(torch.randint(0, 256, (4, 16, 16, 3), generator=generator, dtype=torch.uint8)), labels)
        for labels in torch.randint(0, 4, (WARM_UP + 5, 4), generator=generator)
    ]

    def step_of(recorded: bool) -> tuple[Step, nn.Module]:
        module = student()
        distillation = Distillation(teacher(theirs, bf16=bf16), 0.9, 4.0)
        made = make_step(
            module, Precision(module, bf16, CPU), RECIPE, EVERYTHING, lambda draw: (draw[0], draw[1]), recorded,
            distillation=distillation,
        )  # fmt: skip
        return made, module

    (single, plain), (whole, again) = step_of(False), step_of(True)
    assert isinstance(whole, RecordedStep) and not isinstance(single, RecordedStep)
    rate = torch.tensor(0.05).item()
    for batch in batches:
        assert single(batch, rate).item() == whole(batch, rate).item()
    assert whole.single == "" and whole.replays == len(batches) - WARM_UP > min(CHECKED)
    for name, tensor in plain.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_cuda_graph_has_the_teacher_in_it(tiny: Dataset) -> None:
    recipe = replace(RECIPE, batch_size=8, epochs=2)
    training = Training(student(), tiny.to("cuda"), recipe, 0, distillation=_on_gpu(tiny))
    losses = [epoch.loss for epoch in training.epochs()]
    assert isinstance(training.learn, RecordedStep) and training.learn.single == "" and losses[1] < losses[0]


def _on_gpu(dataset: Dataset) -> Distillation:
    theirs = replace(THEIRS, image_size=24)
    logits = TeacherLogits(
        Designed("resnet8@0.25").build(4, 24), theirs, Preprocessing.of(dataset), None, torch.device("cuda")
    )
    return Distillation(logits, 0.9, 4.0)
