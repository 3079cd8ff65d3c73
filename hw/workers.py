# SPDX-License-Identifier: MIT
"""WorkerPool: processes that work for us, and end with us, having cleaned up."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from types import FrameType, TracebackType
from typing import Any, Literal, NoReturn, TypeVar

from hw.processes import kill_tree

T = TypeVar("T")

GRACE_S = 5
"""How long a worker may take to clean up before it is killed."""
_PR_SET_PDEATHSIG = 1


class WorkerPool(ProcessPoolExecutor):
    """An executor whose workers are gone when its `with` ends by an exception, Ctrl-C for one.

    A worker does not see Ctrl-C. It is told to end by SIGTERM: what it runs is unwound, so that its files and the
    programs that it has started go. A worker whose parent is killed dies as well.
    """

    def __init__(self, jobs: int, context: BaseContext | None = None) -> None:
        super().__init__(jobs, context, _begin, (os.getpid(),))
        self._before = set(multiprocessing.active_children())

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As the executor does. Raises BrokenProcessPool if a worker has died."""
        return super().submit(_unwound, fn, *args, **kwargs)

    def end(self) -> None:
        """End the workers, whatever they are doing. Idempotent."""
        workers = set(multiprocessing.active_children()) - self._before
        for worker in workers:
            worker.terminate()
        limit = time.monotonic() + GRACE_S
        for worker in workers:
            worker.join(max(0, limit - time.monotonic()))
            if worker.is_alive() and worker.pid is not None:
                kill_tree(worker.pid)
        self.shutdown(cancel_futures=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if kind is not None:
            self.end()
        super().__exit__(kind, error, trace)
        return False


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before that took effect
        os._exit(1)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # it unwinds already
    raise SystemExit(128 + number)


def _unwound(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run `work`; where it was told to leave, leave, and do not take the next task as a worker would."""
    try:
        return work(*args, **kwargs)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
