# SPDX-License-Identifier: MIT
"""The swap cache: at most one folio a slot, and the pin that goes with it (docs/vswap/slots.md, "Swap cache")."""

from __future__ import annotations

from collections.abc import ItemsView
from typing import Protocol

from vswap.base.errors import AlreadyCached, ContractViolation, SlotGone
from vswap.mm.folio import AnyFolio, Folio


class Pins(Protocol):
    """The pins of slots (slots/layer.py)."""

    def pinned(self, slot: int) -> bool:
        """True while the swap cache holds the slot. Raises SlotGone."""

    def pin(self, slot: int) -> None:
        """Pin a slot. Raises AlreadyCached, SlotGone."""

    def unpin(self, slot: int) -> object:
        """Drop the pin; the slot goes with it when no PTE names it."""


class SwapCache:
    """Slot -> folio. Being here is the pin: exactly the pinned slots have an entry.

    Every change is made by the holder of the folio lock. A lookup is only a hint: lock the folio, then ask `holds`. A
    folio under writeback stays.
    """

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._folios: dict[int, AnyFolio] = {}

    def lookup(self, slot: int) -> AnyFolio | None:
        """The folio that holds the slot now, if any."""
        return self._folios.get(slot)

    def holds(self, slot: int, folio: AnyFolio) -> bool:
        """The check after the lock: the folio is still the one of this slot."""
        return self._folios.get(slot) is folio

    def add(self, slot: int, folio: AnyFolio) -> None:
        """Put a folio under a slot that was just allocated (and so is pinned already); a large one under as many as it
        has pages, from `slot` on."""
        self._check_locked(folio)
        for each in _slots(slot, folio):
            if each in self._folios or not self._pins.pinned(each):
                raise ContractViolation(f"slot {each} is not freshly allocated")
        self._insert(slot, folio)

    def pin(self, slot: int, folio: AnyFolio) -> None:
        """Put a folio under an existing slot, for a swap-in or a writeback: succeeds once. A large one goes under all
        its slots, or under none.

        Raises:
            AlreadyCached: somebody else's folio is there; retry, or use it.
            SlotGone: nothing refers to the slot any more.
        """
        self._check_locked(folio)
        pinned: list[int] = []
        try:
            for each in _slots(slot, folio):
                self._pins.pin(each)
                pinned.append(each)
        except (AlreadyCached, SlotGone):
            for each in pinned:
                self._pins.unpin(each)  # it lives on: a pin succeeds on slots that a PTE names
            raise
        self._insert(slot, folio)

    def replace(self, old: AnyFolio, new: AnyFolio) -> None:
        """Another folio takes the place of `old`, which is locked; the pin passes on."""
        self._check_locked(old)
        self._check_settled(old)
        if not self.holds(old.slot, old):
            raise ContractViolation(f"slot {old.slot} is held by another folio")
        self._insert(old.slot, new)
        old.slot = 0

    def split(self, folio: Folio, parts: list[Folio]) -> None:
        """Folios of one page each take the place of a large one, which is locked; the pins pass on."""
        self._check_locked(folio)
        self._check_settled(folio)
        for slot, part in zip(folio.slots, parts, strict=True):
            if not self.holds(slot, folio):
                raise ContractViolation(f"slot {slot} is held by another folio")
            self._insert(slot, part)
        folio.slot = 0

    def delete(self, folio: AnyFolio) -> None:
        """Take the folio out and drop the pins; slots that no PTE names go with them (delete_from_swap_cache)."""
        self._check_locked(folio)
        self._check_settled(folio)
        slots = _slots(folio.slot, folio)
        for slot in slots:
            if not self.holds(slot, folio):
                raise ContractViolation(f"slot {slot} is held by another folio")
            del self._folios[slot]
        folio.slot = 0
        if isinstance(folio, Folio):
            folio.was_cached = True
        for slot in slots:
            self._pins.unpin(slot)

    def items(self) -> ItemsView[int, AnyFolio]:
        """Every (slot, folio)."""
        return self._folios.items()

    def __len__(self) -> int:
        return len(self._folios)

    def _insert(self, slot: int, folio: AnyFolio) -> None:
        for each in _slots(slot, folio):
            self._folios[each] = folio
        folio.slot = slot
        if isinstance(folio, Folio):
            folio.private = False

    @staticmethod
    def _check_locked(folio: AnyFolio) -> None:
        if not folio.lock.locked():
            raise ContractViolation("the swap cache was changed without the folio lock")

    @staticmethod
    def _check_settled(folio: AnyFolio) -> None:
        if folio.writeback:
            raise ContractViolation(f"the folio of slot {folio.slot} leaves the swap cache under writeback")


def _slots(first: int, folio: AnyFolio) -> range:
    """The slots of a folio that has, or is to have, `first`."""
    return range(first, first + (len(folio.pages) if isinstance(folio, Folio) else 1))
