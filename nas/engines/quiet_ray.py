"""Ray, told to be silent before it is imported, and what of its innards is relied on: looked for, and named if gone.

Import all of Ray from here.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

__all__ = [
    "SILENT",
    "FIFOScheduler",
    "NodeAffinitySchedulingStrategy",
    "Searcher",
    "_internal_kv_get",
    "_internal_kv_put",
    "count_out_of_memory_as_death",
    "on_loopback",
    "ray",
    "tune",
]

ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables ignore verbose=0
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints to stdout when a worker dies; the ledger says it
    "RAY_ENABLE_AUTO_CONNECT": "0",  # of what still asks it something after its end
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",  # then it ends the process that still asks; `Heartbeat` looks
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would take Ctrl-C for an ordinary end
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""Has Ray silent and without records of its own. What is set already stays."""

SILENT: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}

for _name, _value in ENVIRONMENT.items():  # here, since some are read when Ray is imported
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray import tune
except ImportError as error:
    raise ValueError(f"several trials at once need Ray: pip install 'nas-toolkit[ray]' ({error})") from None

try:
    from ray._private import ray_constants
    from ray.air.execution._internal import actor_manager
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put
    from ray.tune.execution import tune_controller
    from ray.tune.schedulers import FIFOScheduler
    from ray.tune.search import Searcher
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    _RAISED_IN = (actor_manager, tune_controller)
    _ = ray_constants.ENABLE_RAY_CLUSTER, [vars(module)["RayActorError"] for module in _RAISED_IN]
except (ImportError, AttributeError, LookupError) as error:
    raise ValueError(
        f"Ray {ray.__version__} is built otherwise than the one that nas was tested with: "
        f"pip install 'nas-toolkit[ray]' ({type(error).__name__}: {error})"
    ) from None


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """What Ray starts within it listens at 127.0.0.1 alone: whoever reaches its ports can have it run anything.

    That is Ray's own way where a machine is no part of a cluster, which it takes Macs and Windows for. Its option
    `_node_ip_address` does not do it: Ray 2.60 puts this machine's address in the place of 127.0.0.1.
    """
    in_clusters = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = in_clusters


def count_out_of_memory_as_death() -> None:
    """Have Tune take a worker that Ray's memory monitor killed for a dead one. Tune of Ray 2.60 gives up the run."""
    for module in _RAISED_IN:
        vars(module)["RayActorError"] = (RayActorError, OutOfMemoryError)
