"""Machines of a Ray cluster, all of them on this one. Ray is told to be silent before it is imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.engines import quiet_ray  # noqa: F401

# isort: split
from ray._common.utils import get_default_ray_temp_dir
from ray.cluster_utils import Cluster

SIZE = {"include_dashboard": False, "object_store_memory": 100_000_000}


@contextmanager
def head(cores: int = 0) -> Iterator[Cluster]:
    """A cluster's first machine, with so many cores, to which others can be added. Its files are gone with it."""
    Path(get_default_ray_temp_dir()).mkdir(parents=True, exist_ok=True)  # Ray notes its address there, and makes it not
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "temp_dir": folder} | SIZE)
