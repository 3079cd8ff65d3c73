# SPDX-License-Identifier: MIT
"""Turns: in each address space one thread at a time is in a system call that changes the mappings.

The kernel takes them one after the other, too, but tells of their ends in any order. A range that one thread gives back
and another is given must not look as if it went the other way round.
"""

from __future__ import annotations

from collections import defaultdict

from sim.follow.policy import Space
from sim.follow.syscalls import Task


class Turns:
    """Who is at it, and who is held at the entry of a call until it is their turn."""

    def __init__(self) -> None:
        self._holders: dict[Space, Task] = {}
        self._held: defaultdict[Space, list[Task]] = defaultdict(list)

    def take(self, space: Space, task: Task) -> bool:
        """It is the thread's turn; else it is held, and `give_back` of another thread returns it."""
        if self._holders.setdefault(space, task) is task:
            return True
        self._held[space].append(task)
        return False

    def give_back(self, task: Task) -> Task | None:
        """The thread is done, or no more; the one whose turn it is now, if any."""
        for held in self._held.values():
            if task in held:
                held.remove(task)
        space = next((space for space, holder in self._holders.items() if holder is task), None)
        if space is None:
            return None
        del self._holders[space]
        held = self._held.pop(space, [])
        if not held:
            return None
        following, *rest = held
        self._holders[space] = following
        if rest:
            self._held[space] = rest
        return following
