# SPDX-License-Identifier: MIT
"""Background tasks: wait for a reason, do the work, again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from vswap.state.machine import Machine


class Daemon:
    """One background task, from `Daemon(...)` to `stop()`.

    `wait` waits for a reason to work and is cancelled by `stop`, so it may hold nothing; `work` is always left to
    finish. An exception of either ends the task and is raised by every access from then on (`Machine.check`).
    """

    def __init__(
        self, machine: Machine, name: str, wait: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[None]]
    ) -> None:
        self._machine = machine
        self._wait = wait
        self._work = work
        self._waiting = False
        self._task = machine.clock.spawn(self._run(), name)

    async def stop(self) -> None:
        """End the task: at once while it waits, else when its work is done. `Machine.stopping` is set already."""
        if self._waiting:
            self._task.cancel()
        else:
            await self._task

    async def _run(self) -> None:
        try:
            while not self._machine.stopping:
                self._waiting = True
                await self._wait()
                self._waiting = False
                if not self._machine.stopping:
                    await self._work()
        except Exception as error:
            self._machine.failure = self._machine.failure or error
