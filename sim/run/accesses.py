# SPDX-License-Identifier: MIT
"""Accesses: how long each took and what it waited for, told from the counters that it moved itself.

A task runs alone from one await to the next. So what a counter has moved between these is the task's own doing, however
many tasks fault at once.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from hw.clock import Clock
from sim.run.metrics import FaultRecord
from sim.run.tally import Tally
from vswap import AddressSpace, VswapSystem
from vswap.base.backing import BackingType

T = TypeVar("T")

_NAMED_OTHERWISE = (BackingType.ZERO, BackingType.CRAM)
"""Tiers whose faults have other names: "zero", "soft_fault", "promotion", "writable"."""

_FAULTS = (  # a fault that read no tier is named after the first of these counters that it moved
    ("zero", "swpin_zero"),
    ("promotion", "promotions"),
    ("writable", "made_writable"),
    ("soft_fault", "soft_faults"),
    ("copy_on_write", "cow"),
    ("swap_cache", "swap_cache_hits"),
    ("migration", "migration_waits"),
)


class Accesses:
    """Times accesses and counts them in the tally.

    Args:
        on_fault: told of each fault at its end; None for nobody.
    """

    def __init__(
        self, clock: Clock, system: VswapSystem, tally: Tally, on_fault: Callable[[FaultRecord], None] | None
    ) -> None:
        self._clock = clock
        self._counters = system.counters
        self._tally = tally
        self._on_fault = on_fault
        self._tiers = [
            name for name, tier in reversed(system.machine.tiers.named.items()) if tier.type not in _NAMED_OTHERWISE
        ]
        self._names = [*self._tiers, *(name for name, _ in _FAULTS)]

    async def timed(
        self, space: AddressSpace, number: int, page: int, event: int | None, access: Coroutine[Any, Any, T]
    ) -> T:
        """Do an access to a page of the space of this number, and count it, however it ends; its result.

        Args:
            event: of the trace; None where it is none.
        """
        pte, start, moved = space.table.get(page), self._clock.now, _Moved(self._marks)
        try:
            return await moved.by(access)
        finally:
            duration = self._clock.now - start
            if not moved.fault:
                kind = pte.state.value if pte is not None else "none"
                self._tally.accesses.setdefault(kind, Counter())[duration] += 1
            else:
                named = (name for name, count in zip(self._names, moved.counts, strict=True) if count)
                kind = next(named, "first_touch" if pte is None else "write_protect")
                self._fault(
                    FaultRecord(
                        number=moved.fault, kind=kind, space=number, page=page, event=event, from_ns=start,
                        duration_ns=duration,
                    )
                )  # fmt: skip

    def _fault(self, fault: FaultRecord) -> None:
        self._tally.faults.setdefault(fault.kind, Counter())[fault.duration_ns] += 1
        if self._tally.slow(fault.duration_ns):
            self._tally.keep(fault)
        if self._on_fault is not None:
            self._on_fault(fault)

    def _marks(self) -> list[int]:
        """The number of faults so far, and the counters that name one, in the order of the names."""
        counters = self._counters
        loaded = [counters.loaded.get(name, 0) for name in self._tiers]
        return [counters.pgfault, *loaded, *(getattr(counters, name) for _, name in _FAULTS)]


class _Moved:
    """What one access has moved.

    Attributes:
        fault: which fault of the run it took, from 1; 0 for none.
        counts: by how much it has moved each counter that names a fault.
    """

    def __init__(self, marks: Callable[[], list[int]]) -> None:
        self._marks = marks
        self._before = marks()
        self.fault = 0
        self.counts = [0] * (len(self._before) - 1)

    @types.coroutine
    def by(self, access: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Do the access, and look at the counters around each part of it."""
        resume: Callable[[Any], Any] = access.send
        value: Any = None
        while True:
            try:
                awaited = resume(value)
            except StopIteration as end:
                self._look()
                result: T = end.value
                return result
            except BaseException:
                self._look()
                raise
            self._look()
            try:
                resume, value = access.send, (yield awaited)
            except BaseException as error:
                resume, value = access.throw, error
            self._before = self._marks()

    def _look(self) -> None:
        pgfault, *now = self._marks()
        if [pgfault, *now] == self._before:
            return
        if pgfault != self._before[0]:
            self.fault = pgfault
        self.counts = [count + b - a for count, a, b in zip(self.counts, self._before[1:], now, strict=True)]
