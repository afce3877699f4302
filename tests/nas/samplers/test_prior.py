"""A person's prior on options: read, refused, and drawn by."""

from __future__ import annotations

from collections import Counter

import numpy as np
import optuna
import pytest
import torch

from nas.samplers import distributions, make_sampler
from nas.samplers.controller import Controller
from nas.samplers.evolution import Evolution
from nas.samplers.prior import weighted
from nas.samplers.random_search import RandomSearch, options_at
from nas.samplers.screened import Screened
from nas.samplers.strategy import Context
from searchspaces import get_space
from searchspaces.space import Choice

CHOICES = (
    Choice("stage1.op", ("basic", "sep", "none")),
    Choice("stage1.kernel", (3, 5), tag="k"),
    Choice("stage2.op", ("basic", "sep")),
)
SETTINGS = {"random": RandomSearch(), "evolution": Evolution(population=500), "controller": Screened(initial=500)}


def test_weights_are_of_a_kind_or_of_a_choice() -> None:
    kinds = weighted(CHOICES, ["op=basic:3,none:0.5"])
    assert [choice.weights for choice in kinds] == [(3, 1, 0.5), (), (3, 1)]
    own = weighted(CHOICES, ["stage2.op=sep:4", "op=basic:3", "kernel=k5:2"])
    assert [choice.weights for choice in own] == [(3, 1, 1), (1, 2), (3, 4)], "by its name, and then by its kind"
    assert weighted(CHOICES, []) == weighted(CHOICES, ["op=basic:1"]) == CHOICES


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (
            "stage9.op=basic:3",
            "--prior stage9.op: there are the kinds op, kernel and the choices stage1.kernel, stage1",
        ),
        ("op=big:3", "--prior op has no option 'big': it has basic, sep, none"),
        ("stage2.op=none:3", "--prior stage2.op has no option 'none': it has basic, sep"),
        ("op=basic", "--prior 'op=basic': 'basic' has no weight, write basic:3"),
        ("op", "write a choice or kind and the weights of its options"),
        ("op=basic:0", "the weight of basic must be above 0, not 0"),
        ("op=basic:-1", "the weight of basic must be above 0"),
        ("op=basic:much", "'much' is no value for the weight of basic"),
        ("op=basic:NaN", "the weight of basic must be a finite number"),
    ],
)
def test_what_is_no_prior_is_refused_with_what_there_is(prior: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")) as caught:
        weighted(CHOICES, [prior])
    assert "\n" not in str(caught.value)


def test_without_weights_draws_are_as_they_were() -> None:
    places = np.random.default_rng(0).random((50, 3))
    assert options_at(CHOICES, places).tolist() == (places * [3, 2, 2]).astype(int).tolist()
    places = np.array([[0.66, 0.99, 0.0], [0.9999, 0.4, 0.99]])
    drawn = options_at(weighted(CHOICES, ["op=basic:3,sep:0.5"]), places)
    assert drawn.tolist() == [[0, 1, 0], [2, 0, 1]]


@pytest.mark.parametrize("name", SETTINGS)
def test_strategies_begin_by_the_prior(name: str) -> None:
    """Of four, three are basic: 300 draws of one choice."""
    strategy = SETTINGS[name].start(weighted(CHOICES, ["stage2.op=basic:3"]), tuple, 0)
    drawn = [strategy.propose(Context(number)).arch for number in range(300)]
    share = Counter(arch[2] for arch in drawn)[0] / 300
    assert 0.67 < share < 0.83 and 0.4 < Counter(arch[1] for arch in drawn)[0] / 300 < 0.6


def test_what_a_surrogate_looks_at_at_random_is_by_the_prior() -> None:
    many = tuple(Choice(f"c{number}.op", ("basic", "sep")) for number in range(12))
    strategy = Screened().start(weighted(many, ["op=basic:9"]), tuple, 0)
    pool = strategy._random(0, Context(0))
    assert 0.8 < 1 - np.mean([*pool]) < 0.97


def test_a_policy_rescores_as_it_draws_and_goes_beyond_its_prior() -> None:
    anchored = (*CHOICES, Choice("stage2.reads1", ("no", "yes"), anchor="stage1.kernel"))
    controller = Controller(
        weighted(anchored, ["op=basic:3", "reads1=yes:5"]), 8, generator=torch.Generator().manual_seed(0)
    )
    rollout = controller(200, torch.Generator().manual_seed(1))
    assert torch.allclose(controller(actions=rollout.actions).log_probs, rollout.log_probs, atol=1e-5)
    assert 0.7 < rollout.actions[:, 3].float().mean() < 0.95
    plain = Controller(anchored, 8, generator=torch.Generator().manual_seed(0))
    assert plain.state_dict().keys() == controller.state_dict().keys()


def test_a_choice_has_a_weight_for_each_option() -> None:
    for weights in ((1.0,), (1.0, 0.0), (1.0, -1.0)):
        with pytest.raises(ValueError, match="each of its options has a weight above 0"):
            Choice("op", ("basic", "sep"), weights=weights)


def test_samplers_take_it() -> None:
    space = get_space("nasbench_macro")
    sampler = make_sampler("random", space, 0, prior=[f"{space.choices[0].name}={space.choices[0].options[0]}:50"])
    study = optuna.create_study(sampler=sampler, direction="maximize")
    first = [study.ask(distributions(space)).params[space.choices[0].name] for _ in range(20)]
    assert first.count(space.choices[0].options[0]) >= 16
