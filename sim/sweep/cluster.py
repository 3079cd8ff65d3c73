# SPDX-License-Identifier: MIT
"""Cluster: a Dask cluster as the workers of a sweep. A worker that dies loses nothing: the scheduler has others run its
points again."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim.sweep.engine import Workers
from sim.sweep.folder import SweepError

_AHEAD = 2  # tasks sent for each thread of the cluster, so that none waits for the next
_TIMEOUT_S = 10


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The cluster of a scheduler. The workers need this program and see the same files.

    Raises:
        SweepError: Dask is not installed, or nothing answers at the address.
    """
    try:
        distributed: Any = importlib.import_module("distributed")  # it has no types
    except ImportError as error:
        raise SweepError("--scheduler needs Dask: pip install 'vcram[dask]'") from error
    try:
        client = distributed.Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"{address}: no Dask scheduler answers: {' '.join(str(error).split())}") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SweepError(f"{address}: the cluster has no workers; start one with `dask worker {address}`")
        executor = client.get_executor(pure=False)
        try:
            yield Workers(lambda: executor, _AHEAD * threads)
        finally:
            executor.shutdown(wait=False)
