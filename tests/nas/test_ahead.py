"""What is wrong with a command is said before data are loaded, anything is timed, and a folder is made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run

CallNas = Callable[..., tuple[int, str, str]]
SEARCH = ("search", "--data", "shapes", "--space", "mnas", "--trials", "1")


@pytest.fixture
def early(call_nas: CallNas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallNas:
    """`nas` in an empty folder, where no data can be loaded and nothing timed."""

    def never(*args: object, **named: object) -> Any:
        raise AssertionError("the data were loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    for name in ("load", "load_test"):
        monkeypatch.setattr(f"nas.data.{name}", never)
    return call_nas


def refused(early: CallNas, args: tuple[str, ...], message: str) -> None:
    there = set(Path().iterdir())
    code, _, err = early(*args)
    assert code == 2 and message in err, err
    assert err.startswith("nas: ") and err.count("\n") == 1 and set(Path().iterdir()) == there


RECIPES = [
    ("batch_size=32.5", "batch_size must be a whole number, not 32.5"),
    ("batch_size=1", "batch_size must be at least 2 images, not 1"),
    ("batch_size=true", "batch_size must be a whole number, not True"),
    ("label_smoothing=2", "label_smoothing must be at most 1, not 2"),
    ("label_smoothing=-0.1", "label_smoothing must be at least 0, not -0.1"),
    ("epochs=1.5", "epochs must be a whole number, not 1.5"),
    ("epochs=[1]", "epochs must be a whole number, not [1]"),
    ("momentum=NaN", "momentum must be a finite number, not nan"),
    ("momentum=2", "momentum must be at most 1, not 2"),
    ("weight_decay=-1", "weight_decay must be at least 0, not -1"),
    ("weight_decay=Infinity", "weight_decay must be a finite number, not inf"),
    ("warmup=-1", "warmup must be at least 0, not -1"),
    ("warmup=2", "warmup must be at most 1, not 2"),
    ("lr=1e999", "lr must be a finite number, not inf"),
    ("lr=0", "lr must be above 0, not 0"),
    ("lr=fast", "'fast' is no value for lr: it must be a number"),
    ("lr=null", "lr must be a number, not None"),
    ("cutout=-3", "cutout must be at least 0 pixels, not -3"),
    ("cutout=1.5", "cutout must be a whole number, not 1.5"),
    ("min_area=0", "min_area must be above 0, not 0"),
    ("min_area=1.1", "min_area must be at most 1, not 1.1"),
    ("flip=maybe", "'maybe' is no value for flip: it must be true or false"),
    ("rotation=181", "rotation must be at most 180, not 181"),
    ("color_jitter=1.5", "color_jitter must be at most 1, not 1.5"),
    ("policy=autoaugment", "policy is one of none, trivialaugment, randaugment, not 'autoaugment'"),
    ("mixup=-1", "mixup must be at least 0, not -1"),
    ("cutmix=1000", "cutmix must be at most 100, not 1,000"),
    ("bf16=maybe", "'maybe' is no value for bf16: it must be true or false"),
    ("bf16=1", "'1' is no value for bf16: it must be true or false"),
    ("optimizer=adam", "optimizer is one of sgd, adamw, not 'adam'"),
    ("schedule=step", "schedule is one of onecycle, cosine, constant, not 'step'"),
    ("seconds=0", "seconds must be above 0, not 0"),
    ("subset=1", "subset must be at least 2 images, not 1"),
    ("image_size=7", "image_size must be at least 8 pixels, not 7"),
]


@pytest.mark.parametrize(("change", "message"), RECIPES)
def test_every_field_of_a_recipe_has_its_type_and_range(early: CallNas, change: str, message: str) -> None:
    refused(early, (*SEARCH, "--set", change), message)


OPTIONS = [
    (("--seed", "-1"), "--seed must be at least 0, not -1"),
    (("--seed", str(2**63)), "--seed must be at most 9,223,372,036,854,775,807, not"),
    (("--subset", "1"), "subset must be at least 2 images, not 1"),
    (("--subset", "0"), "subset must be at least 2 images, not 0"),
    (("--subset", "100.5"), "--subset: 100.5 is no whole number"),
    (("--subset", "-5"), "--subset: '-5' is not a number"),
    (("--subset", "ten"), "--subset: 'ten' is not a number"),
    (("--budget", "20"), "--budget: '20' has no unit: write 20s, 20m or 20h"),
    (("--budget", "0"), "--budget: '0' has no unit"),
    (("--budget", "0s"), "--budget must be above 0, not 0"),
    (("--budget", "nan"), "--budget: 'nan' is not a time"),
    (("--trials", "0"), "--trials must be at least 1, not 0"),
    (("--trials", "1.5"), "Invalid value for '--trials'"),
    (("--workers", "0"), "--workers must be at least 1, not 0"),
    (("--gpus", "-1"), "--gpus must be at least 1, not -1"),
    (("--threads", "0"), "--threads must be at least 1, not 0"),
    (("--threads", "100000"), "--threads must be at most 1,024, not 100,000"),
    (("--w", "nan"), "--w must be a finite number, not nan"),
    (("--w", "-inf"), "--w must be a finite number, not -inf"),
    (("--target-macs", "0"), "--target-macs must be at least 1, not 0"),
    (("--target-latency", "5"), "--target-latency: '5' has no unit"),
    (("--target-params", "ten"), "--target-params: 'ten' is not a number"),
    (("--max-macs", "ten"), "--max-macs: 'ten' is not a number"),
    (("--lr", "0"), "lr must be above 0, not 0"),
    (("--policy", "auto"), "--policy is one of none, trivialaugment, randaugment, not 'auto'"),
    (("--mixup", "nan"), "--mixup must be a finite number, not nan"),
    (("--cutmix", "-1"), "--cutmix must be at least 0, not -1"),
    (("--lr", "nan"), "lr must be a finite number, not nan"),
    (("--epochs", "0"), "epochs must be at least 1, not 0"),
    (("--epochs", "-1"), "epochs must be at least 1, not -1"),
    (("--width", "-1"), "--width must be above 0, not -1"),
    (("--width", "nan"), "--width must be a finite number, not nan"),
    (("--image-size", "4"), "image_size must be at least 8 pixels, not 4"),
    (("--batch-size", "0"), "--batch-size must be at least 2 images, not 0"),
    (("--space-set", "width=0"), "width must be above 0"),
    (("--space-set", "width=0.5", "--width", "0.1"), "--width is the setting width of the space: give one of them"),
    (("--space-set", "image_size=1.5"), "image_size must be a whole number, not 1.5"),
    (("--space-set", "image_size=big"), "image_size must be a whole number, not 'big'"),
    (("--space", "chain", "--space-set", "layers=2.5"), "layers must be a whole number, not 2.5"),
    (("--space", "chain", "--space-set", "bn=maybe"), "bn must be true or false, not 'maybe'"),
    (("--space", "nasnet", "--space-set", "dropout=NaN"), "nasnet: dropout must be a finite number, not nan"),
    (("--strategy", "guess"), "there is no strategy 'guess'"),
    (("--pruner", "axe"), "there is no pruner 'axe'"),
    (("--objectives", "beauty"), "--objectives are accuracy and some of"),
    (("--storage", "nonsense"), "cannot open the database of --storage"),
    (("--name", "resnet20"), "a run cannot be called 'resnet20': it is a baseline's"),
    (("--name", "taken"), "runs/taken exists: `nas resume taken` continues it"),
    (("--control", "--name", "beside"), "runs/beside-random exists, where the control goes"),
    (("--runs-dir", "file"), "cannot make the folder file/mnas-shapes-1: file is a file; choose another --runs-dir"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_every_option_of_a_search_is_checked_first(
    early: CallNas, config: Config, options: tuple[str, ...], message: str
) -> None:
    Run.create(Path("runs/taken"), config, Budget(trials=1))
    Run.create(Path("runs/beside-random"), config, Budget(trials=1))
    Path("file").write_text("")
    refused(early, (*SEARCH, *options), message)
    assert sorted(path.name for path in Path("runs").iterdir()) == ["beside-random", "taken"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("train", "resnet20", "--seed", "-1"), "--seed must be at least 0"),
        (("train", "resnet20", "--set", "momentum=NaN"), "momentum must be a finite number"),
        (("compare", "resnet20", "--seeds", "100000000000000000000"), "--seeds must be at most 10,000"),
        (("compare", "resnet20", "--seeds", "0"), "--seeds must be at least 1"),
        (("compare", "resnet20", "--name", "-x"), "a run cannot be called '-x': it would be taken for an option"),
        (("compare", "resnet20", "--subset", "1"), "subset must be at least 2 images"),
        (("proxy-study", "--seed", "-1"), "--seed must be at least 0"),
        (("proxy-study", "--seeds", "1" + 20 * "0"), "--seeds must be at most 10,000"),
        (("proxy-study", "--name", "mnas"), "a run cannot be called 'mnas': it is a space's"),
        (("proxy-study", "--budget", "20"), "--budget: '20' has no unit"),
        (("proxy-study", "--set", "lr=-1"), "lr must be above 0, not -1"),
        (("proxy-study", "--macs", "9M-1M"), "the first is the smaller one"),
        (("scale", "--search", "--seeds", "1" + 20 * "0"), "--seeds must be at most 10,000"),
        (("scale", "--search", "--name", "a.json"), "cannot be called 'a.json': it would be taken for an architecture"),
        (("scale", "--search", "--budget", "20"), "--budget: '20' has no unit"),
        (("scale", "--search", "--set", "lr=-1"), "lr must be above 0, not -1"),
        (("scale", "--search", "--step", "0"), "--step must be at least 0.01, not 0"),
        (("scale", "--search", "--tolerance", "nan"), "--tolerance must be a finite number, not nan"),
        (("proxy-study", "--full", "0"), "'0' is no training: it has at least one image"),
        (("proxy-study", "--networks", "1000000"), "--networks must be at most 10,000, not 1,000,000"),
        (("show", "resnet20", "--classes", "0"), "--classes must be at least 1, not 0"),
        (("scale", "--target-latency", "20"), "--target-latency: '20' has no unit"),
        (("bench", "--space", "nasbench201", "--table", "t", "--first-seed", "-1"), "--first-seed must be at least 0"),
        (("bench", "--space", "nasbench201", "--table", "t", "--seeds", "0"), "--seeds must be at least 1"),
        (("top", "one", "--limit", "-1"), "--limit must be at least 0, not -1"),
    ],
)
def test_so_are_those_of_other_commands(early: CallNas, args: tuple[str, ...], message: str) -> None:
    refused(early, args, message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": float("nan")}, "no finite number"),
        ({"budget": "20"}, "has no unit"),
        ({"trials": 1.5}, "--trials must be a whole number, not 1.5"),
        ({"trials": True}, "--trials must be a whole number, not True"),
        ({"seed": 0.5}, "--seed must be a whole number"),
        ({"subset": 0}, "subset must be at least 2 images, not 0"),
        ({"subset": 100.5}, "100.5 is no whole number"),
        ({"epochs": 2.0}, "epochs must be a whole number, not 2.0"),
        ({"recipe": {"momentum": float("nan")}}, "momentum must be a finite number"),
    ],
)
def test_so_are_values_from_python(early: CallNas, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nas.search(**({"data": "shapes", "trials": 1} | options))
    assert not list(Path().iterdir())


def test_a_run_in_the_database_is_seen_before_data_are_loaded(early: CallNas, config: Config, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Run.create(tmp_path / "elsewhere" / "one", config, Budget(trials=1), url)
    refused(early, (*SEARCH, "--name", "one", "--storage", url), "the database has a run called one already")
    Run.create(tmp_path / "elsewhere" / "two-random", config, Budget(trials=1), url)
    refused(early, (*SEARCH, "--name", "two", "--control", "--storage", url), "a run called two-random already")
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        assert database.execute("select count(*) from studies").fetchone() == (2,)
