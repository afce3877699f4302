"""Trials on Ray, several at once: on this machine's cores, on its GPUs or shares of them, or on a cluster.

Ray Tune starts workers, places them and notices when one dies; what is tried and what is stopped is for
`Trials` to say. Tune's own records go to a temporary folder, since the ledger is the only state.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.data.images import Dataset
from nas.devices.halted import Halted
from nas.engines import Trials
from nas.engines.cluster import Cluster
from nas.engines.connection import Heartbeat, connected, machines, settle
from nas.engines.local import stopped
from nas.engines.quiet_ray import FIFOScheduler, Searcher, count_out_of_memory_as_death, ray, tune
from nas.engines.worker import NOTED_EVERY, Board, Unfit, Worker, pack
from nas.training.trial import State, TrialResult, TrialSpec

__all__ = ["Cluster", "run", "settle"]

MOST_MOVES = 5  # machines that a trial may lose before its network is blamed for it
MOST_UNFIT = 5  # workers that cannot train, after which a run gives up
STARTING = 30.0  # seconds in which a worker has usually been started
TIDYING = 5.0  # seconds that Tune's thread has to end, once nothing is to be told any more
SAID_EVERY = 600.0  # seconds between two notes that there is no room


def run(trials: Trials, dataset: Dataset, cluster: Cluster) -> None:
    """Evaluate what `trials` asks for on `cluster`, until it asks for nothing more.

    A trial whose worker dies is started once more; when that one dies too, it has failed. One whose machine is lost
    begins again elsewhere. KeyboardInterrupt and whatever `trials` raises end the run at once, with the trials under
    way untold. Raises ValueError where there is no cluster at the address, or it has less than was asked for, and
    Halted where the cluster is lost, or its workers cannot train.
    """
    count_out_of_memory_as_death()
    arrays, about = pack(dataset)
    size = sum(getattr(array, "nbytes", 0) for array in arrays.values())
    with (
        tempfile.TemporaryDirectory(prefix="nas-", ignore_cleanup_errors=True) as folder,
        connected(cluster, size) as at,
    ):
        lookout = Lookout(at, Board(uuid.uuid4().hex))
        hooks = _Hooks(trials)
        asker = _Asker(hooks, lookout)
        trials.ready(lookout.room)

        def drive() -> None:
            tune.run(
                tune.with_parameters(Worker, arrays=arrays, about=about, cluster=at, board=lookout.board),
                search_alg=asker,
                scheduler=_Teller(hooks, asker),
                callbacks=[_Watcher(hooks, lookout)],
                num_samples=-1,
                resources_per_trial=at.of_a_trial,
                reuse_actors=True,
                storage_path=folder,
                raise_on_failed_trial=False,
                trial_dirname_creator=str,
                verbose=0,
            )

        with Heartbeat() as heartbeat, lookout:
            _until_done_or_lost(drive, hooks, heartbeat, at.where)


def _until_done_or_lost(drive: Callable[[], None], hooks: _Hooks, heartbeat: Heartbeat, where: str) -> None:
    """Have Tune `drive` in a thread of its own, which is left behind where Ray's head is gone.

    Whatever Tune asks of it then waits for a minute, deaf to Ctrl-C, and Ray ends the process after it.
    """
    raised: list[BaseException] = []

    def driving() -> None:
        try:
            drive()
        except BaseException as error:
            raised.append(error.error if isinstance(error, _Raised) else error)

    thread = threading.Thread(target=driving, name="nas-tune", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            if heartbeat.lost.is_set():
                raise Halted(f"{where} was lost: it no longer answers")
    finally:
        hooks.close()
        if not heartbeat.lost.is_set():
            thread.join(TIDYING)
    if raised:
        raise raised[0]


class Lookout:
    """What Ray's head tells: read in a thread of its own, since where the head is gone such a call waits for a minute.

    `room` is how many trials fit at once, `free` what of all that there is nobody uses, and `steps` where each of the
    `watched` trials is.
    """

    def __init__(self, cluster: Cluster, board: Board) -> None:
        self.cluster, self.board = cluster, board
        self.watched: frozenset[int] = frozenset()
        self.steps: dict[int, tuple[int, int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="nas-lookout", daemon=True)
        self._look()

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # and is not waited for: it may be within a call that nobody answers

    @property
    def is_full(self) -> bool:
        """Whether there is surely no room for a trial of ours beside what others do."""
        return any(self.free.get(kind.upper(), 0.0) < need for kind, need in self.cluster.of_a_trial.items())

    @property
    def want_of_room(self) -> str:
        """What is waited for, in words."""
        needs = self.cluster.of_a_trial
        takes = [f"{_amount(need, kind)}" for kind, need in needs.items()]
        free = [
            f"{self.free.get(kind.upper(), 0):g} of {_amount(self.all.get(kind.upper(), 0), kind)}" for kind in needs
        ]
        where = f"the cluster at {self.cluster.address}" if self.cluster.address else "this machine"
        return f"waiting for room on {where}: a trial takes {' and '.join(takes)}; free are {' and '.join(free)}"

    def _look(self) -> None:
        self.room = max(1, self.cluster.room(list(machines().values())))
        self.all: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(NOTED_EVERY):
            with contextlib.suppress(Exception):  # of Ray, when it is shut down meanwhile, or its head is gone
                noted = {number: self.board.read(number) for number in self.watched}
                self.steps = {number: at for number, at in noted.items() if at is not None}
                if time.monotonic() > looked + 5 * NOTED_EVERY:
                    looked = time.monotonic()
                    self._look()


def _amount(number: float, kind: str) -> str:
    """`0.25 GPU`, `8 GPUs`, `1 core`."""
    return f"{number:g} {'core' if kind == 'cpu' else 'GPU'}{'s' if number != 1 and number > 1 else ''}"


class _Hooks:
    """The door between Tune's thread and `trials`. Once it is closed, nothing passes and Tune ends."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._open = True
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Trials]:
        """Within it, `trials` are at hand. What they raise goes past Tune, see `_Raised`."""
        with self._lock:
            if not self._open:
                raise _Raised(RuntimeError("the run has ended"))
            try:
                yield self._trials
            except Exception as error:
                raise _Raised(error) from error

    def close(self) -> None:
        """From now on nothing passes; what is passing is waited for."""
        with self._lock:
            self._open = False


class _Asker(Searcher):
    """What Tune starts next, as long as there is room: first the trials whose worker died, then new ones."""

    def __init__(self, hooks: _Hooks, lookout: Lookout) -> None:
        super().__init__()
        self._hooks, self._lookout = hooks, lookout
        self._began: dict[int, float] = {}  # trial number -> when it was first started
        self._lost: list[TrialSpec] = []
        self._died: set[int] = set()
        self._moved: Counter[int] = Counter()  # trial number -> machines that it lost
        self._unfit = 0
        self._running: set[str] = set()
        self._exhausted = False

    def suggest(self, trial_id: str) -> Any:
        if len(self._running) >= self._lookout.room:
            return None
        if not self._lost and not self._is_due():
            return None
        spec = self._lost.pop() if self._lost else self._ask()
        if spec is None:
            return None if self._running else Searcher.FINISHED  # what runs may have to be started again
        self._running.add(trial_id)
        self._began.setdefault(spec.number, time.perf_counter())
        return {"spec": spec}

    def _is_due(self) -> bool:
        if self._exhausted:
            return True
        with self._hooks() as trials:
            return trials.due()

    def _ask(self) -> TrialSpec | None:
        if self._exhausted:
            return None
        with self._hooks() as trials:
            spec = trials.ask()
        self._exhausted = spec is None
        return spec

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._running.discard(trial_id)

    def ended_badly(self, spec: TrialSpec, report: str) -> None:
        """`spec` has lost its worker, of which Ray has this `report`: start it once more, or fail it."""
        with self._hooks() as trials:
            reason = _why(report)
            if UNFIT in report or NO_PACKAGE in report:
                self._give_up_on_many(reason)
                self._again(trials, spec, reason, blamed=False)
            elif any(words in report for words in NO_MACHINE) and self._moved[spec.number] < MOST_MOVES:
                self._moved[spec.number] += 1
                self._again(trials, spec, "its machine was lost or out of reach", blamed=False)
            elif spec.number not in self._died:
                self._died.add(spec.number)
                spec = replace(spec, recorded=False)  # which may be what it died of
                self._again(trials, spec, f"its worker process died: {reason}", blamed=True)
            else:
                seconds = time.perf_counter() - self._began[spec.number]
                reason = f"its worker process died twice: {reason}"
                trials.tell(spec, TrialResult(State.FAILED, seconds, reason=reason))

    def _again(self, trials: Trials, spec: TrialSpec, reason: str, blamed: bool) -> None:
        self._lost.append(spec)
        trials.retried(spec, reason, blamed)

    def _give_up_on_many(self, reason: str) -> None:
        self._unfit += 1
        if self._unfit >= MOST_UNFIT:
            raise Halted(f"{self._unfit} workers could not train: {reason}")

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the ledger is the only state."""


class _Teller(FIFOScheduler):
    """What Tune hears from the workers goes to `Trials`."""

    def __init__(self, hooks: _Hooks, asker: _Asker) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hooks, self._asker = hooks, asker

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        with self._hooks() as trials:
            stop = trials.report(trial.config["spec"], result["epoch"])
        return FIFOScheduler.STOP if stop else FIFOScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        end = result["result"] if "result" in result else stopped(result["epoch"], result["time_total_s"])
        with self._hooks() as trials:
            trials.tell(trial.config["spec"], replace(end, place=result["place"]))

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._asker.ended_badly(trial.config["spec"], Path(trial.error_file).read_text(encoding="utf-8"))


class _Watcher(tune.Callback):
    """Passes on what changes while Tune hears nothing: the steps of trainings, and the room there is."""

    def __init__(self, hooks: _Hooks, lookout: Lookout) -> None:
        self._hooks, self._lookout = hooks, lookout
        self._looked = float("-inf")
        self._room = lookout.room
        self._full = lookout.is_full  # of what others do: nothing of ours has been started
        self._idle_since = time.monotonic()
        self._said = float("-inf")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._looked + NOTED_EVERY:
            return
        self._looked = time.monotonic()
        specs = [trial.config["spec"] for trial in trials if trial.status == "RUNNING"]
        running = {spec.number: spec for spec in specs}
        self._lookout.watched = frozenset(running)
        with self._hooks() as told:
            for number, at in self._lookout.steps.items():
                if number in running:
                    told.stepped(running[number], *at)
            if self._room != self._lookout.room:
                self._room = self._lookout.room
                told.resized(self._room)
            if self._waits(bool(running)):
                told.waiting(self._lookout.want_of_room)

    def _waits(self, any_running: bool) -> bool:
        """Whether it is time to say that a cluster of several has no room for us: at once, then now and then."""
        now = time.monotonic()
        if any_running or self._lookout.cluster.address is None:
            self._full, self._idle_since, self._said = False, now, float("-inf")
            return False
        if now < self._said + SAID_EVERY or not (self._full or now > self._idle_since + STARTING):
            return False
        self._said = now
        return True


UNFIT = f"{Unfit.__qualname__}: "
NO_PACKAGE = "failed to import"  # the worker's class, on a machine that has no nas
NO_MACHINE = ("its node has died", "actor is temporarily unavailable")  # the second, where Ray does not know yet why
"""What stands in Ray's reports."""


class _Raised(BaseException):
    """Carries what `Trials` raised past Tune, which would take an Exception for the trial's own and go on."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _why(report: str) -> str:
    """What Ray's report of a failure says, in one line, without its guesses and advice."""
    if "running low on memory" in report:
        return "Ray killed it, since its machine ran low on memory"
    if UNFIT in report:
        return report.partition(UNFIT)[2].partition("\n")[0]
    last = report.strip().splitlines()[-1].rpartition("Worker exit detail: ")[2]
    return re.split(" Some common causes| There are some potential", last)[0]
