"""Weights from elsewhere: what fits is taken, the classifier of other classes is not, anything else is refused."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nas.baselines.pretrained import load_pretrained, published_state_dict
from nas.baselines.pretrained.naming import our_tensors
from nas.data import Dataset, Images
from nas.data.source import DataSource
from nas.final.job import Job
from nas.final.run import begin
from nas.network import Designed, Found, Network
from nas.searching.progress import Output
from nas.training.evaluation import predict
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.train import train
from nas.training.transfer import Start, Weights, metadata
from searchspaces import Mnas, NASNet

RESNET = Designed("resnet8@0.25")
RECIPE = Recipe(epochs=1, batch_size=20, bf16=False)


def data(classes: str = "abcd", size: int = 16) -> Dataset:
    labels = torch.arange(10 * len(classes)) % len(classes)
    pixels = torch.randint(0, 256, (len(labels), size, size, 3), dtype=torch.uint8)
    return Dataset.split("data", tuple(classes), Images(pixels, labels))


def built(network: Network, dataset: Dataset, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return network.build(dataset.num_classes, dataset.image_size)


def saved(path: Path, network: Network, dataset: Dataset, about: bool = True) -> tuple[Weights, nn.Module]:
    """The weights of a network with seed 1, as `nas train` writes them, read again; `about`: with the metadata."""
    module = built(network, dataset, 1)
    for name, buffer in module.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    path.mkdir(exist_ok=True)
    save_file(module.state_dict(), path / "weights.safetensors", metadata(dataset) if about else None)
    return Weights.read(str(path)), module


def test_everything_is_taken_where_nothing_differs(tmp_path: Path) -> None:
    weights, source = saved(tmp_path, RESNET, data())
    module = built(RESNET, data(), 0)
    taken = Start(weights).give(module, RESNET, data())
    ours = our_tensors(module)
    assert all(torch.equal(tensor, our_tensors(source)[name]) for name, tensor in ours.items())
    assert taken.tensors == taken.of == len(ours) and taken.fresh == () and taken.strided == ()
    assert weights.class_names == ("a", "b", "c", "d") and weights.image_size == 16


@pytest.mark.parametrize(
    ("classes", "about", "fresh"),
    [
        ("abcdef", True, ("fc",)),
        ("wxyz", True, ("fc",)),  # as many, but others
        ("abcdef", False, ("fc",)),
        ("wxyz", False, ()),  # nobody knows
    ],
)
def test_the_classifier_of_other_classes_is_fresh(
    tmp_path: Path, classes: str, about: bool, fresh: tuple[str, ...]
) -> None:
    weights, source = saved(tmp_path, RESNET, data(), about)
    module, untouched = built(RESNET, data(classes), 0), built(RESNET, data(classes), 0)
    taken = Start(weights).give(module, RESNET, data(classes))
    assert taken.fresh == fresh and taken.of - taken.tensors == 2 * len(fresh)
    for name, tensor in our_tensors(module).items():
        other = untouched if name.partition(".")[0] in fresh else source
        assert torch.equal(tensor, our_tensors(other)[name])


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet+aux", "lenet5"])
def test_whatever_has_an_entry_for_each_class_is_the_classifier(tmp_path: Path, name: str) -> None:
    """A convolution, three of them, the last of three linear layers."""
    network, before, now = Designed(name), data("ab", 64), data("abc", 64)
    weights, _ = saved(tmp_path, network, before, about=False)
    taken = Start(weights).give(built(network, now, 0), network, now)
    assert taken.of - taken.tensors == {"googlenet+aux": 6}.get(name, 2)


def test_a_network_of_small_images_goes_on_with_large_ones(tmp_path: Path) -> None:
    """Above 64 pixels it has strides where it had none, and adds no input there: the weights are the same ones."""
    space = Mnas(width=0.1)
    network = Found(space, space.sample(random.Random(0)))
    small, large = data(size=32), data("xyz", size=96)
    weights, source = saved(tmp_path, network, small)
    module = built(network, large, 0)
    before, after = our_tensors(source), our_tensors(module)
    assert before.keys() != after.keys() and len(before) == len(after)
    taken = Start(weights).give(module, network, large)
    assert taken.of - taken.tensors == 2 and taken.fresh == ("9",)
    assert taken.strided == ("0", "2") and "at 32 pixels, as those were trained, rows 0, 2 had" in taken.describe()
    for (name, a), b in zip(before.items(), our_tensors(module).values(), strict=True):
        assert torch.equal(a, b) or name.startswith("9.")


def test_what_does_not_fit_is_refused_with_the_rows_that_do_not(tmp_path: Path) -> None:
    space = NASNet(n=1, filters=4, blocks=1)
    network = Found(space, space.sample(random.Random(0)))
    small, large = data(size=32), data("xyz", size=96)
    weights, source = saved(tmp_path, network, small)
    module = built(network, large, 0)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"does not fit nasnet:.*'conv0.0.weight' is 12x3x3x3 there and 96x3x3x3"
    ) as said:
        Start(weights).give(module, network, large)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    rows = re.findall(r"Add --fresh (\S+) to begin", str(said.value))[0].split(",")
    assert rows[:3] == ["conv0", "cell_stem_0", "cell_stem_1"] and "cell_2" not in rows
    taken = Start(weights, tuple(rows)).give(module, network, large)
    assert taken.fresh == (*rows, "final_layer")
    for name, tensor in our_tensors(module).items():
        fresh = name.partition(".")[0] in taken.fresh
        assert torch.equal(tensor, before[name] if fresh else source.state_dict()[name])


@pytest.mark.parametrize("name", ["lenet5", "resnet8@0.5", "resnet20@0.25"])
def test_weights_of_another_network(tmp_path: Path, name: str) -> None:
    weights, _ = saved(tmp_path, Designed(name), data(size=32))
    with pytest.raises(ValueError, match=r"weights.safetensors does not fit resnet8@0.25: ") as said:
        Start(weights).give(built(RESNET, data(size=32), 0), RESNET, data(size=32))
    assert ("of another network" in str(said.value)) == (name != "resnet20@0.25")  # of which conv1 would fit


def test_rows_may_be_fresh_all_the_same(tmp_path: Path) -> None:
    weights, source = saved(tmp_path, RESNET, data())
    module = built(RESNET, data(), 0)
    untouched = our_tensors(built(RESNET, data(), 0))
    assert Start(weights, ("conv4_x", "fc")).give(module, RESNET, data()).fresh == ("conv4_x", "fc")
    for name, tensor in our_tensors(module).items():
        fresh = name.startswith(("conv4_x.", "fc."))
        assert torch.equal(tensor, (untouched if fresh else source.state_dict())[name])
    with pytest.raises(ValueError, match=r"--fresh: resnet8@0.25 has no row 'conv9'; there are conv1, conv2_x"):
        Start(weights, ("conv9",)).give(module, RESNET, data())


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_a_published_checkpoint(tmp_path: Path, name: str) -> None:
    """Also where the library's batch norms have another eps: what is saved afterwards computes the same with ours."""
    network, there, here = Designed(name), data("abcde", 96), data("xyz", 96)
    _, source = saved(tmp_path, network, there)
    published = published_state_dict(source, name, "torchvision")
    torch.save({key: tensor.clone() for key, tensor in published.items()}, tmp_path / "published.pth")
    loaded = load_pretrained(name, tmp_path / "published.pth", 5, 96).eval()
    module = built(network, here, 0).eval()
    taken = Start(Weights.read(tmp_path / "published.pth")).give(module, network, here)
    assert taken.of - taken.tensors == 2 and len(taken.fresh) == 1
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        features = [nn.Sequential(*list(m.children())[:-1])(x) for m in (module, loaded)]
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-5)


def test_no_weights(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ValueError, match=r"cannot read .*: No such file"):
            Weights.read(path)
    (tmp_path / "text.pth").write_text("text")
    with pytest.raises(ValueError, match="is no checkpoint of tensors alone"):
        Weights.read(tmp_path / "text.pth")
    save_file({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, tmp_path / "diverged.safetensors")
    with pytest.raises(ValueError, match=r"diverged: b has values that are no numbers"):
        Weights.read(tmp_path / "diverged.safetensors")


def test_a_training_starts_from_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = data("wxyz")
    weights, source = saved(tmp_path, RESNET, data())
    job = Job(RESNET, DataSource("data"), RECIPE, start=Start(weights), tuning=FineTuning(("backbone",)))
    result = begin(tmp_path / "trained", job, dataset, dataset.val, Output("lines"))
    assert result["start"]["fresh"] == ("fc",) and "fresh weights in row fc" in capsys.readouterr().out
    trained = RESNET.build(4, 16)
    trained.load_state_dict(load_file(tmp_path / "trained" / "weights.safetensors"))
    for name, tensor in our_tensors(trained).items():
        assert name.startswith("fc.") != torch.equal(tensor, our_tensors(source)[name])
    job = dataclasses.replace(job, start=None, tuning=EVERYTHING)
    assert begin(tmp_path / "anew", job, dataset, dataset.val)["start"] is None


def test_what_was_learnt_helps(tiny: Dataset) -> None:
    """A new head learns more, in as many steps, on trained features than on random ones."""
    source = built(RESNET, tiny, 0)
    list(train(source, tiny, dataclasses.replace(RECIPE, epochs=8), 0))
    learnt = Start(Weights(Path("learnt"), source.state_dict(), class_names=("of", "other", "things")))
    losses = []
    for start in (None, learnt):
        module = built(RESNET, tiny, 1)
        if start is not None:
            start.give(module, RESNET, tiny)
        list(train(module, tiny, dataclasses.replace(RECIPE, epochs=3), 1, FineTuning(("backbone",))))
        probabilities = predict(module, tiny.train, tiny, RECIPE)
        losses.append(nn.functional.nll_loss(probabilities.log(), tiny.train.labels).item())
    assert losses[1] < losses[0] - 0.1


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2).to(torch.float8_e4m3fn),
        torch.eye(2).to_sparse(),
        torch.zeros(2, device="meta"),
        torch.zeros(2, dtype=torch.complex64),
    ],
    ids=lambda tensor: f"{tensor.dtype}, {tensor.layout}, {tensor.device}",
)
def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    torch.save({"w": tensor}, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"a\.pth (has a tensor 'w' that is no plain array|is no checkpoint of tensors)"
    ):
        Weights.read(tmp_path / "a.pth")


def of_channels(dataset: Dataset, channels: int) -> Dataset:
    train, val = (images.with_channels(channels) for images in (dataset.train, dataset.val))
    mean, std = train.channel_statistics()
    return dataclasses.replace(dataset, train=train, val=val, mean=mean, std=std)


def test_weights_of_rgb_are_summed_for_grey_images(tmp_path: Path) -> None:
    """A grey image is equal red, green and blue, so the network says the same of it."""
    weights, source = saved(tmp_path, RESNET, data())
    grey = of_channels(data(), 1)
    module = RESNET.build(4, 16, 1)
    taken = Start(weights).give(module, RESNET, grey)
    assert taken.grey == ("conv1.0.weight",) and taken.fresh == () and taken.tensors == taken.of
    assert "conv1.0.weight summed over red, green and blue" in taken.describe()
    x = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        assert torch.allclose(module.eval()(x), source.eval()(x.expand(-1, 3, -1, -1)), atol=1e-5)


def test_weights_of_grey_images_are_refused_for_rgb(tmp_path: Path) -> None:
    path = tmp_path / "grey"
    path.mkdir()
    grey = of_channels(data(), 1)
    save_file(RESNET.build(4, 16, 1).state_dict(), path / "weights.safetensors", metadata(grey))
    with pytest.raises(ValueError, match="Add --fresh conv1 to begin"):
        Start(Weights.read(path)).give(built(RESNET, data(), 0), RESNET, data())
    taken = Start(Weights.read(path), ("conv1",)).give(module := built(RESNET, data(), 0), RESNET, data())
    assert taken.fresh == ("conv1",) and module.training
