"""A supernet from the command line to the search that is judged by it: trained, stopped, gone on with, ranked, used."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nas.checks.schemas import SHARINGS
from nas.data import Dataset
from nas.ledger.run import Run
from nas.network import Designed, Found
from nas.searching.published import read
from nas.training.recipe import Recipe
from nas.training.shared import Ranking, Shared, calibrate, give_part, judge
from nas.training.transfer import Start, Weights
from nas.weight_sharing.files import CHECKPOINT, Folder
from nas.weight_sharing.paths import BETWEEN, Paths
from nas.weight_sharing.ranking import Truth, rank, truth_of
from nas.weight_sharing.training import Progress, SupernetTraining
from searchspaces import Arch, Mnas, NASBenchMacro
from searchspaces.sharing import ELASTIC, SINGLE_PATH, WAYS, Sharing
from searchspaces.supernet import Supernet

SPACE = NASBenchMacro(width=0.125, image_size=16)
RECIPE = Recipe(epochs=2, subset=128, image_size=16, batch_size=32)
OPTIONS = ["--space", "nasbench_macro", "--width", "0.125", "--data", "shapes2", "--image-size", "16"]
CallNas = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sharing() -> Sharing:
    return Sharing(SPACE, SINGLE_PATH, 4, 16, 3)


@pytest.fixture
def images(tiny: Dataset) -> Dataset:
    return RECIPE.prepare(tiny)


def test_what_files_may_say_is_what_there_is() -> None:
    """The schema is read without torch, so it has words of its own."""
    assert SHARINGS == WAYS


# ------------------------------------------------------------------ which networks a batch goes through


def test_a_single_path_is_one_network(sharing: Sharing) -> None:
    paths = Paths(sharing, random.Random(0))
    assert len(paths.draw()) == 1 and len({paths.draw()[0] for _ in range(20)}) > 10


def test_a_sandwich_is_between_the_largest_and_the_smallest_version() -> None:
    space = Mnas(width=0.25, image_size=16)
    sharing = Sharing(space, ELASTIC, 4, 16, 3)
    paths = Paths(sharing, random.Random(0))
    largest, *between, smallest = paths.draw()
    assert len(between) == BETWEEN
    assert all(sharing.keys(smallest) <= sharing.keys(arch) <= sharing.keys(largest) for arch in between)
    assert all(sharing.macs(smallest) <= sharing.macs(arch) <= sharing.macs(largest) for arch in between)
    ops = [{space.options(arch)[f"block{b}.op"] for arch in (largest, *between, smallest)} for b in range(1, 8)]
    assert all(found <= {"mb3", "mb6"} or len(found) == 1 for found in ops)  # of one family each


# ------------------------------------------------------------------ its training


def trained(sharing: Sharing, images: Dataset, epochs: int = 2) -> SupernetTraining:
    training = SupernetTraining(Supernet(sharing), images, RECIPE, seed=0)
    for done in training.epochs():
        if done.epochs == epochs:
            break
    return training


@pytest.mark.parametrize("way", [ELASTIC, SINGLE_PATH])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(way: str, images: Dataset, tmp_path: Path) -> None:
    sharing = Sharing(SPACE, way, 4, 16, 3)
    whole = trained(sharing, images)
    stopped = trained(sharing, images, epochs=1)
    Folder(tmp_path).keep(stopped, {"a": 1})
    later = SupernetTraining(Supernet(sharing, seed=5), images, RECIPE, seed=0)
    assert Folder(tmp_path).go_on(later, {"a": 1}) and later.progress.epochs == 1
    assert [done.epochs for done in later.epochs()] == [2]
    for key, tensor in whole.supernet.tensors.items():
        torch.testing.assert_close(later.supernet.tensors[key], tensor)
    assert later.progress.passes == (4 if way == ELASTIC else 1) * later.progress.images == whole.progress.passes


def test_networks_learn_through_the_supernet(sharing: Sharing, tiny: Dataset) -> None:
    """A network that was never trained by itself tells rows of four brightnesses apart, with calibrated norms."""
    recipe = Recipe(epochs=30, image_size=16, batch_size=20)
    images = recipe.prepare(tiny)
    training = SupernetTraining(Supernet(sharing), images, recipe, seed=0)
    *_, last = training.epochs()
    assert last.loss < 1.2
    network = Found(SPACE, (1, 0, 1, 0, 0, 1, 0, 0))
    module = network.build(4, 16)
    give_part(training.supernet.tensors, module, network, sharing)
    assert judge(module, images, recipe).quality > 0.6


def test_norms_have_the_statistics_of_the_networks_own_activations(images: Dataset) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    calibrate(module, images)
    assert module[1].momentum == 0.1 and not module.training
    assert float(module[1].running_var.min()) != 1.0


# ------------------------------------------------------------------ its order of networks


def test_an_order_is_compared_with_trainings(sharing: Sharing, images: Dataset) -> None:
    supernet = trained(sharing, images).supernet
    quality = {arch: sum(arch) + i / 100 for i, arch in enumerate(archs(20))}
    heard: list[int] = []
    ranking = rank(supernet, Truth("them", quality), 12, images, RECIPE, 0, lambda number, _: heard.append(number))
    assert ranking.networks == 12 and heard == [*range(1, 13)]
    assert -1 <= ranking.low <= ranking.kendall <= ranking.high <= 1
    assert ranking.macs > 0.3  # later options are larger networks


def archs(number: int) -> list[Arch]:
    rng = random.Random(1)
    return [SPACE.canonical(SPACE.sample(rng)) for _ in range(number)]


def test_the_truth_may_be_a_published_table(published_table: Callable[[str], Path]) -> None:
    file = published_table("nasbench_macro")
    truth = truth_of(str(file), SPACE, Path("runs"))
    assert truth.name == file.name and len(truth.quality) == 3969
    table = read(NASBenchMacro(), file)
    assert all(table.reported[table.key(arch)] == truth.quality[arch] for arch in truth.draw(20, 0))


# ------------------------------------------------------------------ the file, and networks that start from it


@pytest.fixture
def file(sharing: Sharing, images: Dataset, tmp_path: Path) -> Path:
    training = trained(sharing, images)
    Folder(tmp_path).write(training.supernet, Shared.of(sharing, 256, 256), images)
    return tmp_path


def test_a_network_starts_from_its_part(file: Path, images: Dataset) -> None:
    weights = Weights.read(file)
    assert weights.shared is not None and weights.shared.images == 256 and not weights.shared.is_trusted
    network = Found(SPACE, (1, 2, 0, 1, 0, 2, 2, 0))
    module = network.build(4, 16)
    taken = Start(weights).give(module, network, images)
    assert taken.tensors == len([*module.parameters()])
    assert all(bool((parameter != 0).any()) for parameter in module.parameters() if parameter.ndim > 1)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Designed("resnet8"), "networks of the space nasbench_macro, and resnet8 is none"),
        (Found(NASBenchMacro(width=0.25), (0,) * 8), "nasbench_macro with width=0.125"),
    ],
)
def test_what_is_no_network_of_the_supernet_is_refused(
    network: Found | Designed, said: str, file: Path, images: Dataset
) -> None:
    with pytest.raises(ValueError, match=said):
        Start(Weights.read(file)).give(network.build(4, 16), network, images)


def test_other_classes_are_refused(file: Path, tiny: Dataset) -> None:
    other = dataclasses.replace(RECIPE.prepare(tiny), class_names=("a", "b", "c", "e"))
    network = Found(SPACE, (0,) * 8)
    with pytest.raises(ValueError, match="for the classes a, b, c, d"):
        Start(Weights.read(file)).give(network.build(4, 16), network, other)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"space": 3}', '{"way": "elastic"}'])
def test_a_damaged_description_is_said(text: str) -> None:
    with pytest.raises(ValueError):
        Shared.parse(text)


def test_a_supernet_is_trusted_from_six_tenths_on() -> None:
    def shared(tau: float) -> Shared:
        return Shared("mnas", {}, ELASTIC, 10, 32, 3, 1, 1, Ranking("a table", 100, tau, 0.1, 0.9, 0.5))

    assert shared(0.6).is_trusted and not shared(0.59).is_trusted
    assert Shared.parse(shared(0.6).text) == shared(0.6)


# ------------------------------------------------------------------ as a person does it


def test_from_a_supernet_to_a_search_by_it(here: Path, call_nas: CallNas) -> None:
    training = ["supernet", *OPTIONS, "--subset", "100", "--epochs", "1", "--out", "sn"]
    code, out, _ = call_nas(*training)
    assert code == 0 and "elastic" in out and "wrote sn/" in out and "only where that is asked for" in out
    assert (here / "sn" / "weights.safetensors").is_file() and not (here / "sn" / CHECKPOINT).exists()

    search = ["search", *OPTIONS, "--init", "sn", "--trials", "12", "--experience", "none"]
    code, out, _ = call_nas(*search, "--evaluator", "supernet", "--name", "by")
    assert code == 0 and "no training" in out and "its part of the supernet" in out
    run = Run.open(here / "runs" / "by")
    assert run.config.evaluator == "supernet" and not run.config.trains
    assert len([row for row in run.rows() if row.accuracy is not None and row.loss is None]) == 12
    for training_option in ("--epochs=2", "--set=label_smoothing=0", "--no-flip"):
        code, _, err = call_nas(*search, "--evaluator", "supernet", training_option)
        assert code == 2 and "trains nothing: leave out" in err
    code, _, _ = call_nas("resume", "by", "--trials", "13")
    assert code == 0 and len(run.rows()) >= 13

    code, _, _ = call_nas(*search, "--subset", "100", "--name", "from", "--json")
    assert code == 0 and Run.open(here / "runs" / "from").config.evaluator == "train"

    code, out, _ = call_nas(*training[:-1], "ranked", "--truth", "from", "--networks", "10", "--json")
    assert code == 0 and json.loads(out)["ranking"]["networks"] == 10
    code, _, err = call_nas(*training[:-1], "other", "--truth", "by")
    assert code == 2 and "trained its networks" in err


def test_a_supernet_in_doubt_is_used_where_it_is_asked_for_alone(here: Path, call_nas: CallNas) -> None:
    for tau, evaluator in ((0.7, "supernet"), (0.5, "train")):
        ranking = Ranking("a table", 100, tau, 0.4, 0.8, 0.5)
        place = here / f"sn{tau}"
        place.mkdir()
        code, _, _ = call_nas("supernet", *OPTIONS, "--subset", "64", "--epochs", "1", "--out", "plain")
        _with_ranking(here / "plain", place, ranking)
        code, _, err = call_nas(
            "search", *OPTIONS, "--init", place.name, "--subset", "64", "--trials", "1", "--name", f"t{tau * 10:g}"
        )
        assert code == 0, err
        assert Run.open(here / "runs" / f"t{tau * 10:g}").config.evaluator == evaluator


def _with_ranking(source: Path, target: Path, ranking: Ranking) -> None:
    """The file in `source` as one that was found to rank so."""
    with safe_open(source / "weights.safetensors", "pt") as file:
        said = dict(file.metadata())
    shared = dataclasses.replace(Shared.parse(said["supernet"]), ranking=ranking)
    tensors = load_file(source / "weights.safetensors")
    save_file(tensors, target / "weights.safetensors", said | {"supernet": shared.text})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["supernet", "--space", "nasnet", "--data", "shapes2"], "share no weights"),
        (["supernet", "--share", "all"], "elastic"),
        (["supernet", *OPTIONS, "--mixup", "0.2"], "mixup"),
        (["supernet", *OPTIONS, "--truth", "nothing"], "nothing"),
        (
            ["supernet", "--space", "compact", "--data", "shapes2", "--space-set", "max_macs=1000000"],
            "give the supernet a width",
        ),
        (["supernet", *OPTIONS, "--epochs", "0"], "--epochs"),
        (["search", *OPTIONS, "--evaluator", "supernet", "--trials", "1"], "add --init FOLDER"),
        (["search", *OPTIONS, "--evaluator", "oracle", "--trials", "1"], "train, table or supernet"),
        (["search", *OPTIONS, "--init", "nothing", "--trials", "1"], "nothing"),
    ],
)
def test_mistakes_are_said_in_a_line(arguments: list[str], said: str, here: Path, call_nas: CallNas) -> None:
    code, _, err = call_nas(*arguments)
    assert code == 2 and said in err and err.count("\n") == 1 and "Traceback" not in err
    assert not (here / "runs").exists() or not [*(here / "runs").iterdir()]


def test_a_folder_with_trained_weights_is_kept(here: Path, call_nas: CallNas) -> None:
    (here / "sn").mkdir()
    (here / "sn" / "weights.safetensors").write_bytes(b"precious")
    code, _, err = call_nas("supernet", *OPTIONS, "--out", "sn")
    assert code == 2 and "trained weights already" in err
    assert (here / "sn" / "weights.safetensors").read_bytes() == b"precious"


def test_what_was_begun_otherwise_is_not_gone_on_with(sharing: Sharing, images: Dataset, tmp_path: Path) -> None:
    training = trained(sharing, images, epochs=1)
    Folder(tmp_path).keep(training, {"a": 1})
    with pytest.raises(ValueError, match="another supernet's training"):
        Folder(tmp_path).go_on(training, {"a": 2})
    (tmp_path / CHECKPOINT).write_bytes(b"torn")
    with pytest.raises(ValueError, match="damaged"):
        Folder(tmp_path).go_on(training, {"a": 1})
    assert Progress.parse(training.progress.text) == training.progress


def test_the_truth_may_be_a_proxy_study(here: Path, call_nas: CallNas) -> None:
    study = [
        "--networks",
        "10",
        "--full",
        "64",
        "--cuts",
        "32",
        "--short",
        "none",
        "--seeds",
        "1",
        "--batch-size",
        "16",
    ]
    code, _, err = call_nas("proxy-study", *OPTIONS, *study, "--name", "study")
    assert code == 0, err
    truth = truth_of("study", SPACE, here / "runs")
    assert truth.name == "run study" and len(truth.quality) == 10
    with pytest.raises(ValueError, match="is a run of nasbench_macro, and the supernet of mnas"):
        truth_of("study", Mnas(), here / "runs")
