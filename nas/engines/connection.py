"""Ray, for as long as trials run: started on this machine, or joined at an address, examined, and watched."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nas
from nas.engines.cluster import Cluster, Machine
from nas.engines.quiet_ray import SILENT, NodeAffinitySchedulingStrategy, on_loopback, ray
from nas.training.trial import describe

PATIENCE = 8.0  # seconds without an answer after which the head of a cluster is lost; Ray itself waits for 60
ANSWER = 60.0  # seconds that a machine may take to say what it has: PyTorch is imported there


@contextlib.contextmanager
def connected(cluster: Cluster, object_bytes: int = 0) -> Iterator[Cluster]:
    """Ray, for as long as the context lasts. Yields `cluster` with what its address alone had left open.

    On this machine it has room for `object_bytes` of data, and leaves nothing. Raises ValueError where nobody is at the
    address, or has less than was asked for.
    """
    with tempfile.TemporaryDirectory(prefix="nas-", ignore_cleanup_errors=True) as folder:
        try:
            with _keeping_sigterm():
                if cluster.address is None:
                    _start(cluster, object_bytes, folder)
                else:
                    _join(cluster.address)
            yield cluster if cluster.at_once else cluster.settled(list(machines().values()))
        finally:
            ray.shutdown()
            if cluster.address is None:
                _kill_what_is_left(folder)


def settle(cluster: Cluster) -> Cluster:
    """`cluster` as its machines are now: how many trials at once, on what. One that is this machine is so already.

    Raises ValueError where nobody is at the address, it has less than was asked for, or one of its machines cannot
    train.
    """
    if cluster.address is None:
        return cluster
    with connected(cluster):
        there = machines()
        settled = cluster.settled(list(there.values()))
        examine({node: machine for node, machine in there.items() if settled.room_of(machine)}, settled)
        return settled


@contextlib.contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Who has said what SIGTERM does keeps it: Ray has it end the process, and nobody notes what was under way."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _start(cluster: Cluster, object_bytes: int, folder: str) -> None:
    with on_loopback():
        ray.init(
            "local",
            num_cpus=cluster.at_once * cluster.threads,
            num_gpus=cluster.gpus or 0,
            include_dashboard=False,
            object_store_memory=object_bytes + 100_000_000,  # Ray wants 75 MB at least
            _temp_dir=folder,
            **SILENT,
        )


def _kill_what_is_left(folder: str, processes: Path = Path("/proc")) -> None:
    """End what of Ray has outlived it, as the agents of a raylet that was killed do, by the files of `folder` it holds.

    Only Linux tells which that is.
    """
    for process in processes.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another's, or gone meanwhile
            held = [str(file.readlink()) for file in (process / "fd").iterdir()]
            if int(process.name) != os.getpid() and any(file.startswith(f"{folder}/") for file in held):
                os.kill(int(process.name), signal.SIGKILL)


def _join(address: str) -> None:
    try:
        if address != "auto":  # where nobody answers, Ray would try for minutes, and not in silence
            answers(address, 10)
        ray.init(address, **SILENT)
    except OSError as error:
        raise ValueError(f"no Ray cluster at {address}: {describe(error)}") from None


def answers(address: str, seconds: float) -> None:
    """Raises OSError where nobody takes a connection at `host:port`."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()


def machines() -> dict[str, Machine]:
    """What each machine of the cluster has, by Ray's id of it."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------------------- whether a machine can train


def examine(there: dict[str, Machine], cluster: Cluster) -> None:
    """Ask each machine, at once and beside what runs there, whether it can train as `cluster` says.

    Raises ValueError where one cannot, with what it lacks.
    """
    tasks = {
        node: ray.remote(num_cpus=0, max_calls=1)(_examination())
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote(nas.__version__, int(machine.get("GPU", 0)) if cluster.device == "cuda" else 0)
        for node, machine in there.items()
    }
    until = time.monotonic() + ANSWER
    lacks = {node: lack for node, task in tasks.items() if (lack := _lack(task, max(0.0, until - time.monotonic())))}
    if lacks:
        node, lack = next(iter(lacks.items()))
        more = f" (and {len(lacks) - 1} more)" if len(lacks) > 1 else ""
        raise ValueError(f"{_name(node)} of the cluster at {cluster.address}{more} cannot train: {lack}")


def _lack(task: Any, seconds: float) -> str:
    try:
        lack: str = ray.get(task, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        return f"it does not answer within {ANSWER:g} s"
    except ray.exceptions.RayError as error:
        return " ".join(describe(error).split())
    return lack


def _name(node: str) -> str:
    names = {one["NodeID"]: one["NodeName"] for one in ray.nodes()}  # type: ignore[no-untyped-call]
    return f"machine {names.get(node, node)}"


def _examination() -> Callable[[str, int], str]:
    """What a machine is asked. It travels as code, since there may be no `nas` there to import it from."""

    def lack(version: str, gpus: int) -> str:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides GPUs from those who ask for none
        try:
            import torch

            import nas.engines.worker
        except Exception as error:
            return f"{type(error).__name__}: {error}: install nas there, as it is here"
        if nas.__version__ != version:
            return f"it has nas {nas.__version__}, and this machine {version}: install the same"
        if torch.cuda.device_count() >= gpus:
            return ""
        try:
            torch.zeros(1, device="cuda")
            reason = f"it has only {torch.cuda.device_count()}"
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
        return f"its PyTorch {torch.__version__} does not see the {gpus} GPUs that Ray has there ({reason})"

    return lack


# ---------------------------------------------------------------------------- whether it is still there


class Heartbeat:
    """Asks each second whether Ray is there, in a thread of its own, since Ray's own calls only wait.

    That is the head, and what this machine has of Ray: without one of them Ray ends this process after a while.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        here = ray.get_runtime_context()
        nodes = {node["NodeID"]: node for node in ray.nodes()}  # type: ignore[no-untyped-call]
        ours = nodes[here.get_node_id()]
        self._addresses = (here.gcs_address, f"{ours['NodeManagerAddress']}:{ours['NodeManagerPort']}")
        self._patience = patience
        self._stop = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="nas-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        heard = time.monotonic()
        while not self._stop.wait(1):
            try:
                for address in self._addresses:
                    answers(address, 2)
                heard = time.monotonic()
            except OSError:
                if time.monotonic() - heard > self._patience:
                    self.lost.set()
                    return
