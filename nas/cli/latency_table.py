"""`nas latency-table`."""

from __future__ import annotations

from nas import api
from nas.cli import common
from nas.options.commands import LatencyTableOptions


def latency_table(asked: LatencyTableOptions) -> None:
    """Measure a part of a space's networks on a device, and predict the latency of any other in milliseconds.

    It measures rows alone and some whole networks, and says how far predictions are off for networks not seen.
    """
    common.load_torch()
    table = api.latency_table.of(asked)
    if asked.as_json:
        from nas.latencies import job

        common.print_json(job.summary(table, job.choose_space(asked), job.choose_file(asked)))
