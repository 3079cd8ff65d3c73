# SPDX-License-Identifier: MIT
"""Pager: a real program whose anonymous memory is limited and goes through the swap system."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from driver import CramError
from hw.link import LinkError
from hw.virtual_time import VirtualClock
from sim.follow import Agent, Follower, FollowError, Space, Userfault
from sim.pager.figures import Figures
from sim.pager.guardian import Guardian
from sim.pager.log import Recording
from sim.pager.space import PagedSpace
from sim.pager.table import ProgramTable
from sim.pager.window import Window
from sim.run.machine import Machine
from vswap import OutOfMemory, SigBus, VswapError
from vswap.system import VswapSystem

T = TypeVar("T")

MINIMUM_PAGES = 256
_LIVE_S = 0.25
_IDLE_NS = 1_000_000  # simulated time that passes in a round of the loop, so that background work goes on


class PagerError(Exception):
    """The program could not be run, or not to its end; one line that says why and what to do about it."""


class Pager:
    """One program on one machine.

    Args:
        machine: the swap system and its device, started.
        clock: its clock.
        window: device pages that the program may see at a time.
        live: called a few times a second with the figures and the seconds since the start.
        recording: the trace that is kept, if any.
    """

    def __init__(
        self,
        machine: Machine,
        clock: VirtualClock,
        window: int,
        live: Callable[[Figures, float], None] | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.system: VswapSystem = machine.system
        self.spaces_seen = 0
        self.seconds = 0.0
        self._machine = machine
        self._clock = clock
        self._window = Window(machine.system.machine, window)
        self._batch = max(8, min(256, window // 8))
        self._spaces: list[PagedSpace] = []
        self._live = live
        self._recording = recording
        self._start = self._next_live = time.monotonic()
        self._guardian = Guardian()
        self._follower = Follower(self)

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Run a program; its exit status as a shell gives it. The program and all it started are dead when this returns
        or raises. Raises PagerError, KeyboardInterrupt."""
        self._start = time.monotonic()
        try:
            return self._follower.run(argv, env)
        except FollowError as error:
            raise PagerError(str(error)) from error
        except OutOfMemory as error:
            raise PagerError(f"the program was ended: {error}, and no tier has room; give the scenario more") from error
        except BrokenPipeError as error:  # nothing else here writes to anybody
            raise PagerError("the program was ended: its guardian process is gone") from error
        except (VswapError, CramError, LinkError) as error:
            raise PagerError(f"the program was ended: {error}") from error
        finally:
            self.seconds = time.monotonic() - self._start
            self._guardian.close()

    # Policy

    def space(self, agent: Agent, parent: Space | None) -> PagedSpace:
        """See Policy."""
        assert parent is None or isinstance(parent, PagedSpace)
        space = PagedSpace(self.spaces_seen, agent, self, parent, self._recording)
        self._spaces.append(space)
        self.spaces_seen += 1
        return space

    def process(self, pid: int) -> None:
        """See Policy."""
        self._guardian.process(pid)

    def tick(self) -> None:
        """See Policy."""
        now = time.monotonic()
        if now >= self._next_live:
            self._next_live = now + _LIVE_S
            self._clock.run_until(self._clock.sleep(_IDLE_NS))
            self._machine.system.machine.check()
            if self._guardian.gone():
                raise PagerError("the program was ended: its guardian process is gone")
            if self._live is not None:
                self._live(self.figures(), now - self._start)

    # Host

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """See Host."""
        return self._clock.run_until(work)

    def watch(self, userfault: Userfault) -> None:
        """See Host."""
        self._guardian.hold("m", userfault.fileno())

    def served(self, space: PagedSpace) -> None:
        """See Host."""
        table = space.table
        if len(table.doomed) >= self._batch:
            table.flush()

    def soft_mapped(self, table: ProgramTable, vpn: int) -> None:
        """See Host."""
        self._window.add(table, vpn)

    def lost(self, space: PagedSpace, vpn: int, error: SigBus) -> None:
        """See Host."""
        space.table.give_up(vpn)
        if not space.userfault.poison(vpn):
            raise PagerError(f"the program was ended: {error}; this kernel cannot give it SIGBUS (Linux 6.6 can)")

    # Figures

    def figures(self) -> Figures:
        """What has happened so far."""
        return Figures.of(self.system, self._window)
