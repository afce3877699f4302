"""Who is compared with whom: names, and baselines as wide as the found network's multiply-adds allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from nas.baselines.zoo import BASELINES, find, with_width
from nas.comparison.candidates import budgets, choose, matched
from nas.comparison.design import Candidate
from nas.ledger.run import Run
from nas.network import Designed, Found, Scaled
from nas.references.resolve import SMALL, expand
from searchspaces import Mnas

FOUND = Candidate("found", Found(Mnas(width=0.1), (0,) * 42))
SHAPE = 10, 32


def quiet(text: str) -> None:
    pytest.fail(text)


def test_sets_of_names() -> None:
    names = expand("lenet5, all-cifar,mobilenet_v2@0.5")
    assert names[0] == "lenet5" and names[-1] == "mobilenet_v2@0.5"
    assert {"resnet20", "vgg16_bn", "nasnet_a_cifar"} <= set(names) and "inception_v3" not in names
    assert tuple(expand("small")) == SMALL
    assert expand("none") == []
    assert all(find(with_width(name, 0.1)) for name in SMALL)


@pytest.fixture
def searched(run: Run) -> Path:
    """The folder of a run called one, whose trials have the accuracies 0.5, 0.7, 0.6 and one of them has failed."""
    space = run.config.space
    with run.driving() as study:
        for accuracy, option in ((0.5, 0), (0.7, 1), (0.6, 2), (None, 3)):
            arch = tuple(min(option, len(choice.options) - 1) for choice in space.choices)
            study.enqueue_trial(space.options(arch))
            trial = study.ask()
            for choice in space.choices:
                trial.suggest_categorical(choice.name, choice.options)
            if accuracy is None:
                study.tell(trial, state=TrialState.FAIL)
            else:
                trial.set_user_attr("accuracy", accuracy)
                study.tell(trial, accuracy)
    return run.path.parent


def test_a_run_is_its_best_network_or_its_best_ones(searched: Path) -> None:
    run = Run.open(searched / "one")
    (best,) = choose(["one"], "", searched, quiet)
    assert best.name == "one:best" and best.found and best.network.arch == run.rows()[1].arch  # type: ignore[union-attr]
    assert [e.name for e in choose(["one:top2", "resnet8,resnet20"], "vgg11", searched, quiet)] == [
        "one:1", "one:2", "resnet8", "resnet20", "vgg11"
    ]  # fmt: skip
    assert len(choose(["one:top9"], "", searched, quiet)) == 3
    said: list[str] = []
    assert len(choose(["one", "one:1", best.network.text], "", searched, said.append)) == 1
    assert said[0] == "one:1 is the network of one:best, and is trained once" and len(said) == 2
    assert isinstance(choose(["one:best@1.1x1-16"], "", searched, quiet)[0].network, Scaled)


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to compare: name a run"):
        choose([], "", tmp_path, quiet)


def test_found_networks_of_about_as_many_macs_have_one_budget() -> None:
    assert budgets([8_000_000, 7_800_000, 7_950_000, 2_000_000]) == [(2_000_000, 2_000_000), (7_800_000, 8_000_000)]
    assert budgets([]) == []


@pytest.mark.parametrize(("name", "step"), [("squeezenet1_1+bn", 0.01), ("densenet_bc_40_12", 0.09)])
def test_a_baseline_is_as_wide_as_it_may_be(name: str, step: float) -> None:
    limit = 12_000_000

    def macs(width: float) -> int:
        return Candidate("", Designed(with_width(name, width))).size(*SHAPE).macs

    class TwelveMillion(Candidate):
        def size(self, num_classes: int, image_size: int, channels: int | None = None):  # type: ignore[no-untyped-def]
            from searchspaces.cost import Cost

            return Cost(1, limit, 1)

    _, scaled = matched([TwelveMillion("found", FOUND.network), Candidate(name, Designed(name))], *SHAPE, quiet)
    width = float(scaled.network.name.partition("@")[2])
    assert scaled.size(*SHAPE).macs <= limit < macs(width + step)
    assert scaled.name == scaled.network.name != name


def test_what_has_no_width_multiplier_stays_or_is_left_out() -> None:
    said: list[str] = []
    named = [FOUND, *(Candidate(name, Designed(name)) for name in ("lenet5", "vgg11", "efficientnet_b0"))]
    assert [e.name for e in matched(named, *SHAPE, said.append)] == ["found", "lenet5"]
    assert said == [
        "vgg11 is left out: 153M MACs, and it has no width multiplier",
        "efficientnet_b0 is left out: at no width multiplier it has at most 2.04M MACs",
    ]
    with pytest.raises(ValueError, match="--match-macs is for networks beside a found one"):
        matched(named[1:], *SHAPE, quiet)


def test_each_budget_has_its_own_references() -> None:
    larger = Candidate("larger", Found(Mnas(width=0.5), (0,) * 42))
    names = [e.name for e in matched([FOUND, larger, Candidate("resnet8", Designed("resnet8"))], *SHAPE, quiet)]
    assert names[:2] == ["found", "larger"] and len(names) == 4 and all(n.startswith("resnet8@") for n in names[2:])


def test_a_width_replaces_another() -> None:
    assert with_width("resnet8", 0.5) == "resnet8@0.5"
    assert with_width("mobilenet_v2@1.4", 0.25) == "mobilenet_v2@0.25"
    assert with_width("resnet20+zero_init@1.1x1.2-36", 0.5) == "resnet20+zero_init@0.5x1.2-36"
    with pytest.raises(ValueError, match="vgg11 has no width multiplier"):
        with_width("vgg11", 0.5)
    assert all(with_width(n, 1) for n, b in BASELINES.items() if b.scalable)
