# SPDX-License-Identifier: MIT
"""Space: one recorded address space, of which a window of pages is open at a time.

An open page is in the program's page tables, and what the program does to it is not seen, but for the first write. A
closed page is not there: its content is kept here, and the next access faults, is recorded, and opens it. When the
window is full, the pages opened longest ago are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hw.link import PAGE_BYTES, ZERO_PAGE
from sim.follow import Agent, Fault, Mapping, Userfault, outside, runs
from sim.trace.file import Event, Kind, TraceWriter

_AT_ONCE = 1024  # pages of a program under way that are taken at a time


@dataclass(slots=True)
class OpenPage:
    """A page in the window.

    Attributes:
        write: position of the WRITE event that waits for the page's content; None while the page is only read.
    """

    write: int | None


class RecordedSpace:
    """The pages of one address space; a Space of its Follower.

    Args:
        number: its number in the trace; None: it is not recorded before `begin`, and its pages are left alone.
        agent: our helper inside it.
        writer: takes the events.
        window: pages open at a time.
        answered: called when a fault has been answered, and the program goes on.
        parent: the space it was forked from just now, if any; what `parent` has open is read from the child, which
            holds it as it was at the fork.
    """

    def __init__(
        self,
        number: int | None,
        agent: Agent,
        writer: TraceWriter,
        window: int,
        answered: Callable[[], None],
        parent: RecordedSpace | None = None,
    ) -> None:
        self.agent = agent
        self._number = number
        self._answered = answered
        self.processes = 1  # that use it: more than one after vfork
        self.locks_future = False
        self.program_break: int = parent.program_break if parent else 0
        self._writer = writer
        self._window = window
        self._known: dict[int, int] = {}  # virtual page -> content id, as last seen
        self._numbers: dict[int, int] = {}  # virtual page -> page number in the trace
        self._next_number = 0
        self._open: dict[int, OpenPage] = {}  # in the order in which they were opened
        self._pinned: dict[int, set[int]] = {}  # thread -> pages that the kernel uses without waiting for a fault
        if number is None:
            self.userfault: Userfault = agent.userfault()
            return
        mappings = agent.anonymous(flags=True)
        present = [page for mapping in mappings for page in agent.present(mapping.page, mapping.count)]
        if parent:
            self._inherit(parent, present, mappings)
        self.userfault = agent.userfault()
        for mapping in mappings:
            self.userfault.register(mapping.page, mapping.count)
        self._found(present)

    @property
    def recorded(self) -> bool:
        """It is being recorded."""
        return self._number is not None

    @property
    def number(self) -> int:
        """Its number in the trace; it is being recorded."""
        assert self._number is not None
        return self._number

    def begin(self, number: int) -> None:
        """Record it from now on, while it runs: what it has by now shows as one WRITE a page."""
        self._number = number
        mappings = self.agent.anonymous(flags=True)
        for mapping in mappings:  # first: whatever page comes from now on is asked for
            self.userfault.register(mapping.page, mapping.count)
        present = [page for mapping in mappings for page in self.agent.present(mapping.page, mapping.count)]
        pinned = set().union(*self._pinned.values())
        for page in pinned.intersection(present):
            self._known[page] = self._writer.content(ZERO_PAGE)
            self._open[page] = OpenPage(self._record(page, Kind.WRITE, self._known[page]))
        closed = [page for page in present if page not in pinned]
        for first in range(0, len(closed), _AT_ONCE):
            if self._writer.full:
                return  # the recording ends here; the rest was never taken
            self._found(closed[first : first + _AT_ONCE])

    @property
    def pages(self) -> int:
        """Pages seen so far that this space did not inherit and did not give back, and those it did."""
        return self._next_number

    # --- what the program does -------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> None:
        """Record an access to a closed page, or the first write to an open one, and let the program go on."""
        self._fault(fault)
        self._answered()

    def _fault(self, fault: Fault) -> None:
        page = fault.page
        held = self._open.get(page)
        if held and (fault.write or not fault.protected):
            if fault.write and held.write is None:
                held.write = self._record(page, Kind.WRITE, self._known[page])
            if held.write is not None:
                self.userfault.protect(page, 1, on=False)
            self.userfault.wake(page)
        elif fault.protected:
            self.userfault.wake(page)  # closed since: it will come again as missing
        else:
            self._open_page(page, fault.write)

    def writable(self, page: int) -> None:
        """Open a page for writing, as if the program had written to it."""
        if not self.recorded:
            return
        held = self._open.get(page)
        if held is None:
            self._open_page(page, write=True)
        elif held.write is None:
            held.write = self._record(page, Kind.WRITE, self._known[page])
            self.userfault.protect(page, 1, on=False)

    def pin(self, thread: int, pages: Iterable[int]) -> None:
        """See Space."""
        wanted = set(pages)
        unknown = [page for page in wanted if page not in self._known]
        if unknown:
            wanted.difference_update(outside(unknown, self.agent.anonymous()))
        self._pinned.setdefault(thread, set()).update(wanted)
        for page in wanted:
            self.writable(page)

    def unpin(self, thread: int) -> None:
        """See Space."""
        self._pinned.pop(thread, None)

    def mapped(self, page: int, count: int, *, populated: bool) -> None:
        """See Space."""
        self.gone(page, count)
        if not self.recorded:
            return
        self.userfault.register(page, count)
        if populated:
            self._found(self.agent.present(page, count))

    def settle(self, page: int, count: int) -> None:
        """See Space."""
        for kept in self._inside(page, count):
            held = self._open.get(kept)
            if held and held.write is not None:
                self._settle(kept, held, self.agent.read(kept, 1)[0])

    def gone(self, page: int, count: int) -> None:
        """See Space. The next access, if any, finds zeros."""
        for lost in self._inside(page, count):
            self._open.pop(lost, None)
            self._writer.append(Event(self.number, self._numbers.pop(lost), Kind.UNMAP))
            del self._known[lost]

    def dropped(self, page: int, count: int) -> None:
        """See Space."""
        # Maybe there, by another thread, after the kernel had dropped it.
        self.agent.drop_all(kept for kept in self._inside(page, count) if kept in self._open)
        self.gone(page, count)

    def moving(self, page: int, count: int) -> None:
        """The program is about to move memory: close what is open of it, so that it moves with `moved` alone."""
        self._close([p for p in self._inside(page, count) if p in self._open])

    def moved(self, source: int, target: int, count: int, target_count: int) -> None:
        """See Space."""
        pages = self._inside(source, count)
        contents = {p - source + target: self._known.pop(p) for p in pages}
        numbers = {p - source + target: self._numbers.pop(p) for p in pages}
        self._known |= contents
        self._numbers |= numbers
        if self.recorded:
            self.userfault.register(target, target_count)

    def read(self, address: int, count: int) -> bytes:
        """See Space."""
        for page in range(address // PAGE_BYTES, (address + count - 1) // PAGE_BYTES + 1):
            if page in self._known and page not in self._open:
                self._open_page(page, write=False)
        return self.agent.read_bytes(address, count)

    # --- its end ---------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """No process uses the space any more: note what it held, and its exit."""
        self._settle_all()
        if self.recorded:
            self._writer.append(Event(self.number, 0, Kind.EXIT))
        self.agent.close()
        self.userfault.close()

    def release(self) -> None:
        """Stop recording and give the program all its pages back."""
        self._settle_all()
        for page, content in self._known.items():
            if page not in self._open:
                self.userfault.place(page, self._writer.data(content), protected=False)
        self.userfault.close()
        self.agent.close()

    def abandon(self) -> None:
        """Leave everything as it is; the program has been killed."""
        self._settle_all(read=False)
        self.agent.close()
        self.userfault.close()

    # --- the window ------------------------------------------------------------------------------------------------

    def _record(self, page: int, kind: Kind, content: int) -> int:
        number = self._numbers.get(page)
        if number is None:
            number = self._numbers[page] = self._next_number
            self._next_number += 1
        return self._writer.append(Event(self.number, number, kind, content))

    def _open_page(self, page: int, write: bool) -> None:
        known = self._known.get(page)
        if known is None:
            content = self._known[page] = self._writer.content(ZERO_PAGE)
        else:
            content = known
        kind = Kind.WRITE if write or known is None else Kind.READ
        position = self._record(page, kind, content)
        self._open[page] = OpenPage(position if write else None)
        self.userfault.place(page, self._writer.data(content), protected=not write)
        if len(self._open) > self._window:
            pinned = set().union(*self._pinned.values())
            oldest = [p for p in self._open if p not in pinned and p != page]
            self._close(oldest[: max(1, self._window // 4)])

    def _close(self, pages: Iterable[int]) -> None:
        for first, count in runs(pages):
            self.userfault.protect(first, count, on=True)
            for page, data in zip(range(first, first + count), self.agent.read(first, count), strict=True):
                self._settle(page, self._open.pop(page), data)
            self.agent.drop(first, count)

    def _settle(self, page: int, held: OpenPage, data: bytes | None) -> None:
        """Give a page's WRITE its content. A page that changed without a WRITE (the window opened around a fork) gets
        one now."""
        if data is None:
            return  # unmapped without our notice: its last known content stands
        content = self._writer.content(data)
        if held.write is not None:
            self._writer.settle(held.write, content)
            held.write = None
        elif content != self._known[page]:
            self._record(page, Kind.WRITE, content)
        self._known[page] = content

    def _settle_all(self, read: bool = True) -> None:
        for page, held in self._open.items():
            self._settle(page, held, self.agent.read(page, 1)[0] if read else None)

    def _found(self, pages: Iterable[int]) -> None:
        """Pages that came into being before they could be watched: record them as they are and close them."""
        pages = list(pages)
        for page in pages:
            if page not in self._known:
                self._known[page] = self._writer.content(ZERO_PAGE)
                self._open[page] = OpenPage(self._record(page, Kind.WRITE, self._known[page]))
            else:
                self._open[page] = OpenPage(None)
        self._close(pages)

    def _inherit(self, parent: RecordedSpace, present: list[int], mappings: list[Mapping]) -> None:
        """Settle the parent's open pages by what the child got of them, then take over what it has inherited."""
        for page in present:
            held = parent._open.get(page)
            if held:
                parent._settle(page, held, self.agent.read(page, 1)[0])
                parent.userfault.protect(page, 1, on=True)
        self._writer.append(Event(parent.number, self.number, Kind.FORK))
        self._known = dict(parent._known)
        self._numbers = dict(parent._numbers)
        self._next_number = parent._next_number
        for page in outside(self._known, (mapping for mapping in mappings if not mapping.wiped)):
            self._writer.append(Event(self.number, self._numbers.pop(page), Kind.UNMAP))
            del self._known[page]

    def _inside(self, page: int, count: int) -> list[int]:
        if count < len(self._known):
            return [p for p in range(page, page + count) if p in self._known]
        return sorted(p for p in self._known if page <= p < page + count)
