"""docs/slurm.sbatch as it stands, on three nodes that are processes of this machine, with commands in SLURM's place.

`srun` starts what is for another node here, with a folder of its own for temporary files; `hostname` gives the first
node 127.0.0.2. Everything else is real: Ray on each node, the token, the search, its ledger.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from nas.ledger.run import Run
from nas.training.trial import State
from tests.attack.ledgers import Contents, contents, ended, judge
from tests.attack.outcome import Outcome

SCRIPT = Path(__file__).parents[1] / "docs" / "slurm.sbatch"
FIRST, *OTHERS = NODES = ("n1", "n2", "n3")
TRIALS = 10
OPTIONS = (
    *("--space", "compact", "--max-macs", "300k", "--strategy", "random"),
    *("--data", "shapes", "--subset", "400", "--batch-size", "20", "--image-size", "16", "--epochs", "4"),
)
SECONDS = 240.0  # that anything here may take on a machine that has others to serve

SRUN = """
while [[ $1 == --* ]]; do
    [[ $1 == --nodelist=* ]] && export SLURMD_NODENAME=${1#*=}
    shift
done
export TMPDIR=$PLACE/$SLURMD_NODENAME
mkdir -p "$TMPDIR"
echo $$ >"$TMPDIR/pid"
exec "$@"
"""
SCONTROL = """
case $1 in
show) printf '%s\\n' $NODES ;;
requeue) echo "$2" >>"$PLACE/requeued" ;;
esac
"""
HOSTNAME = "echo 127.0.0.2 203.0.113.7"

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="SLURM is for Linux, and other systems have no 127.0.0.2"),
]


@dataclass
class Allocation:
    """Three nodes: `place` has their folders, `home` is the folder that they share."""

    place: Path
    home: Path
    nodes: tuple[str, ...] = NODES
    number: int = field(default_factory=lambda: 10 * os.getpid())  # others that test at this time have other ports
    jobs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "NAS_", "SLURM"))}
        return ours | {
            "PATH": os.pathsep.join([str(self.place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PLACE": str(self.place),
            "NODES": " ".join(self.nodes),
            "TMPDIR": str(self.place / FIRST),
            "OMP_NUM_THREADS": "1",
            "SLURM_JOB_ID": str(self.number),
            "SLURM_JOB_NAME": "nas",
            "SLURM_JOB_NODELIST": "n[1-3]",
            "SLURM_JOB_NUM_NODES": str(len(self.nodes)),
            "SLURM_CPUS_PER_TASK": "1",
            "SLURMD_NODENAME": FIRST,
        }

    def submit(self, trials: int = TRIALS) -> subprocess.Popen[bytes]:
        """The script, as SLURM starts it on the first node."""
        with (self.home / "said").open("ab") as said:
            command = ["bash", str(SCRIPT), "found", *OPTIONS, "--trials", str(trials)]
            job = subprocess.Popen(command, cwd=self.home, env=self.environment, stdout=said, stderr=said)
        self.jobs.append(job)
        return job

    @property
    def run(self) -> Path:
        return self.home / "runs" / "found"

    @property
    def said(self) -> str:
        return (self.home / "said").read_text()

    def until(self, done: Callable[[], bool]) -> None:
        """Wait for it. Fails where that takes too long."""
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end, f"{self.said}\n{self.left}"
            time.sleep(0.1)

    def until_ended(self, trials: int) -> Contents:
        """Wait until so many trials have ended; what the ledger has then."""
        self.until(lambda: (self.run / "config.json").exists() and len(ended(contents(self.run))) >= trials)
        return contents(self.run)

    def wait(self, job: subprocess.Popen[bytes]) -> int:
        """Until the script has ended; its exit code."""
        self.until(lambda: job.poll() is not None)
        return job.returncode

    def processes(self, node: str) -> set[int]:
        """Those of a node that is not the first."""
        return _family(int((self.place / node / "pid").read_text()))

    def lose(self, node: str) -> None:
        """Everything on the node ends at once. Of the first that is the script, the search and Ray's head."""
        others = {pid for other in OTHERS if other != node for pid in self.processes(other)}
        _kill((_family(self.jobs[-1].pid) if node == FIRST else self.processes(node)) - others)

    def end_by_slurm(self) -> None:
        """What SLURM does to the other nodes of a job whose first one is lost."""
        for node in OTHERS:
            _kill(self.processes(node))

    @property
    def left(self) -> list[str]:
        """Processes of the nodes, and Ray's folders on them."""
        folders = [str(folder) for node in NODES for folder in (self.place / node).glob("nas-*")]
        return folders + [command for _, command in _processes() if str(self.place) in command]

    def until_clean(self) -> None:
        """Wait until nothing is left, which is not at once: a worker ends by itself when its node has."""
        self.until(lambda: not self.left)


@pytest.fixture
def allocation(tmp_path: Path) -> Iterator[Allocation]:
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:  # short, since Ray's sockets are in it
        place = Path(folder)
        for name, text in {"srun": SRUN, "scontrol": SCONTROL, "hostname": HOSTNAME}.items():
            _program(place / "bin" / name, text)
        for node in NODES:
            (place / node).mkdir()
        there = Allocation(place, tmp_path)
        try:
            yield there
        finally:
            for job in there.jobs:
                _kill(_family(job.pid))
                job.wait()
            _kill({pid for pid, command in _processes() if str(place) in command})


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def _family(pid: int) -> set[int]:
    """The process `pid` and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return set()
    return {pid}.union(*(_family(int(child)) for child in children))


def _kill(pids: set[int]) -> None:
    """At once: what is stopped first starts nothing more."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _processes() -> Iterator[tuple[int, str]]:
    """Each process of this machine, with its command line."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(place.name), (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def check(allocation: Allocation, kept: Contents, interrupted: int) -> None:
    """The ledger is complete, has what it had, nothing was trained twice, and at most so many networks began again."""
    outcome = Outcome("slurm", "search", 1)
    judge(contents(allocation.run), kept, None, "slurm", outcome)
    assert not outcome.faults
    run = Run.open(allocation.run)
    assert [row.state for row in run.rows()] == [State.COMPLETE] * TRIALS
    starts = [trial.user_attrs.get("starts", 0) for trial in run.study.get_trials(deepcopy=False)]
    assert max(starts) <= 2 and starts.count(2) <= interrupted


@pytest.mark.slow
def test_a_lost_node_costs_what_it_trained(allocation: Allocation) -> None:
    job = allocation.submit()
    kept = allocation.until_ended(3)
    allocation.lose("n3")
    assert allocation.wait(job) == 0, allocation.said
    assert "3 of 3 nodes have joined" in allocation.said and "10 trials done" in allocation.said
    check(allocation, kept, interrupted=0)  # a network is not blamed for its node
    reasons = [row.reason for row in Run.open(allocation.run).rows() if row.reason]
    assert all("its machine was lost" in reason for reason in reasons)
    shutil.rmtree(allocation.place / "n3")  # as it is with a node that is lost
    allocation.until_clean()


@pytest.mark.slow
def test_a_lost_first_node_costs_what_was_under_way(allocation: Allocation) -> None:
    """SLURM ends the job then, and begins it again."""
    allocation.submit()
    kept = allocation.until_ended(3)
    allocation.lose(FIRST)
    allocation.end_by_slurm()
    assert len(ended(contents(allocation.run))) < TRIALS
    allocation.number += 1  # submitted once more: by the same number its port would be taken for a minute
    assert allocation.wait(allocation.submit()) == 0, allocation.said
    assert "10 trials done" in allocation.said
    check(allocation, kept, interrupted=3)


@pytest.mark.slow
def test_a_head_of_ray_that_ends_is_said_and_the_job_ends(allocation: Allocation) -> None:
    job = allocation.submit()
    kept = allocation.until_ended(3)
    _kill({pid for pid, command in _processes() if "gcs_server" in command and str(allocation.place) in command})
    assert allocation.wait(job) == 1, allocation.said
    assert re.search(r"nas: the Ray cluster at 127\.0\.0\.2:\d+ was lost", allocation.said)
    allocation.until_clean()
    allocation.number += 1
    assert allocation.wait(allocation.submit()) == 0, allocation.said
    check(allocation, kept, interrupted=0)


@pytest.mark.slow
def test_at_the_time_limit_the_job_comes_back_to_the_queue(allocation: Allocation) -> None:
    job = allocation.submit()
    kept = allocation.until_ended(3)
    job.send_signal(signal.SIGUSR1)
    assert allocation.wait(job) == 130, allocation.said
    assert "`nas resume found` continues" in allocation.said and "Traceback" not in allocation.said
    assert (allocation.place / "requeued").read_text() == f"{allocation.number}\n"
    allocation.until_clean()
    assert allocation.wait(allocation.submit()) == 0, allocation.said
    check(allocation, kept, interrupted=0)


@pytest.mark.slow
def test_one_node_is_enough_and_a_run_that_had_ended_goes_on_to_more_trials(allocation: Allocation) -> None:
    allocation.nodes = (FIRST,)
    for trials in (1, 2):
        assert allocation.wait(allocation.submit(trials)) == 0, allocation.said
        allocation.until_clean()
        assert len(Run.open(allocation.run).rows()) == trials


def test_a_head_that_does_not_start_is_said(allocation: Allocation) -> None:
    _program(allocation.place / "bin" / "ray", "exit 3")
    assert allocation.wait(allocation.submit()) == 1
    assert allocation.said == f"slurm.sbatch: Ray has ended; nas-{allocation.number}-ray.log says why\n"
    allocation.until_clean()


def test_it_is_told_what_to_search() -> None:
    ended = subprocess.run(["bash", str(SCRIPT), "found"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "give the run's name" in ended.stderr
