"""Whether the machines of a cluster can train is asked before anything is written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch

import nas
from nas.engines.cluster import Cluster

if find_spec("ray") is None:  # not importorskip: the engine tells Ray to be silent before it is imported
    pytest.skip("Ray is not installed", allow_module_level=True)

from nas.engines.connection import _examination, _keeping_sigterm, settle


def test_what_sigterm_does_stays_where_somebody_has_said_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        for said, kept in ((signal.default_int_handler, True), (signal.SIG_DFL, False)):
            signal.signal(signal.SIGTERM, said)
            with _keeping_sigterm():
                signal.signal(signal.SIGTERM, lambda *_: None)  # as Ray does
            assert (signal.getsignal(signal.SIGTERM) == said) is kept
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_machine_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    lack = _examination()
    assert lack(nas.__version__, 0) == ""
    assert lack("9.9", 0) == f"it has nas {nas.__version__}, and this machine 9.9: install the same"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    said = lack(nas.__version__, 2)
    assert said.startswith(f"its PyTorch {torch.__version__} does not see the 2 GPUs that Ray has there (")
    assert "\n" not in said
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert lack(nas.__version__, 2) == ""


@pytest.fixture
def head_with_gpus() -> Iterator[str]:
    """The address of a cluster whose machine says that it has two GPUs, and has none."""
    import ray
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(
        initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2, "object_store_memory": 10**8}
    )
    yield machines.address
    ray.shutdown()
    machines.shutdown()


@pytest.mark.slow
def test_a_cluster_without_what_was_asked_for_is_refused(head_with_gpus: str) -> None:
    for asked in (Cluster(gpus=1, address=head_with_gpus), Cluster(address=head_with_gpus)):
        with pytest.raises(ValueError, match=r"machine .* cannot train: its PyTorch .* does not see the 2 GPUs"):
            settle(asked)
