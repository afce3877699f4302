"""What every engine promises to those whose trials it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec

import pytest

from nas.data import Dataset, without_images
from nas.engines import Trials, local
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.trial import State, TrialResult, TrialSpec

Engine = Callable[[Trials, Dataset], None]

RECIPE = Recipe(epochs=2, batch_size=20, bf16=False)


class Listed:
    """Trials of a list, and what an engine said of them."""

    def __init__(self, *networks: str, recipe: Recipe = RECIPE) -> None:
        self.specs = [TrialSpec(number, Designed(name), recipe, seed=0) for number, name in enumerate(networks)]
        self.left = list(self.specs)
        self.at_once = 0
        self.steps: list[tuple[int, int, int, int]] = []  # number, epoch, step, steps
        self.asked_in_vain = 0
        self.epochs: dict[int, list[int]] = {spec.number: [] for spec in self.specs}
        self.results: dict[int, TrialResult] = {}

    def ready(self, at_once: int) -> None:
        assert not self.at_once and len(self.left) == len(self.specs)
        self.at_once = at_once

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        assert spec in self.specs and spec.number not in self.results
        assert 1 <= epoch <= spec.recipe.epochs and 1 <= step <= steps
        self.steps.append((spec.number, epoch, step, steps))

    def due(self) -> bool:
        return True

    def ask(self) -> TrialSpec | None:
        if self.left:
            return self.left.pop(0)
        self.asked_in_vain += 1
        return None

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        assert spec in self.specs and spec.number not in self.results
        self.epochs[spec.number].append(epoch.number)
        return False

    def resized(self, at_once: int) -> None:
        raise AssertionError(at_once)

    def waiting(self, what: str) -> None:
        """Nothing: on a busy machine a worker takes long to start, which is said."""

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        raise AssertionError(reason)

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        assert spec in self.specs and spec.number not in self.results
        self.results[spec.number] = result


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[str]:
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    from tests.ray_machines import head

    with head(cores=2) as cluster:
        yield cluster.address
        cluster.shutdown()


@pytest.fixture(params=["local", "ray_tune"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "local":
        return local.run
    address = request.getfixturevalue("ray_cluster")
    from nas.engines import ray_tune

    return lambda trials, dataset: ray_tune.run(trials, dataset, ray_tune.Cluster(workers=2, address=address))


def test_every_trial_is_told_once_failed_and_stopped_ones_with_a_reason(engine: Engine, tiny: Dataset) -> None:
    class Impatient(Listed):
        def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
            super().report(spec, epoch)
            return spec.number == 2

    trials = Impatient("resnet20", "no_such_network", "resnet20", "resnet20", "resnet20")
    engine(trials, tiny)
    results = [trials.results[number] for number in range(5)]
    complete, failed, pruned = State.COMPLETE, State.FAILED, State.PRUNED
    assert [result.state for result in results] == [complete, failed, pruned, complete, complete]
    assert trials.epochs == {0: [1, 2], 1: [], 2: [1], 3: [1, 2], 4: [1, 2]}
    assert trials.asked_in_vain == 1 and trials.at_once in (1, 2)
    assert {number for number, *_ in trials.steps} <= {0, 2, 3, 4}
    assert "no_such_network" in results[1].reason
    assert results[2].reason == "stopped after epoch 1"
    assert results[2].accuracy is not None and results[2].seconds > 0
    assert results[0].accuracy is not None and results[0].loss is not None and results[0].seconds > 0
    for other in results[3:]:  # one seed, one training, whatever its worker ran before
        assert (other.accuracy, other.loss) == (results[0].accuracy, results[0].loss)


def test_steps_are_heard_of_while_a_training_goes_on(engine: Engine, tiny: Dataset) -> None:
    class Patient(Listed):
        """Has seen enough after the first steps."""

        def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
            super().report(spec, epoch)
            return bool(self.steps)

    trials = Patient("resnet20", recipe=replace(RECIPE, epochs=10_000))
    engine(trials, tiny)
    number, epoch, step, steps = trials.steps[0]
    assert number == 0 and epoch <= max(trials.epochs[0]) + 1 and 1 <= step <= steps
    assert trials.results[0].state == State.PRUNED


def test_what_a_table_has_published_is_not_trained(engine: Engine) -> None:
    trials = Listed("resnet20", "resnet20", recipe=Recipe())
    trials.specs = [replace(spec, published=0.25 * (1 + spec.number)) for spec in trials.specs]
    trials.left = list(trials.specs)
    engine(trials, without_images("cifar10"))
    assert [trials.results[number].accuracy for number in (0, 1)] == [0.25, 0.5]
    assert all(result.state == State.COMPLETE and result.loss is None for result in trials.results.values())
    assert trials.epochs == {0: [], 1: []}


def test_without_trials_it_ends(engine: Engine, tiny: Dataset) -> None:
    trials = Listed()
    engine(trials, tiny)
    assert not trials.results and trials.asked_in_vain == 1


@pytest.mark.parametrize(
    ("where", "error"),
    [("ask", KeyboardInterrupt()), ("report", KeyboardInterrupt()), ("tell", OSError("the disk is full"))],
    ids=["ask", "report", "tell"],
)
def test_what_trials_raise_ends_the_run(
    engine: Engine, tiny: Dataset, where: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(*_: object) -> None:
        raise error

    trials = Listed("resnet20", "resnet20", "resnet20")
    monkeypatch.setattr(trials, where, raising)
    with pytest.raises(type(error)) as caught:
        engine(trials, tiny)
    assert caught.value is error
    assert not trials.results
