# SPDX-License-Identifier: MIT
"""What every swap tier offers, whatever it is made of (docs/vswap/tiers.md)."""

# ruff: noqa: N818 - the errors are named after the conditions, as the kernel does

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vswap.base.backing import BackingType
from vswap.base.errors import VswapError


class TierError(VswapError):
    """Base of what a tier answers instead of doing its work."""


class Full(TierError):
    """The tier has no room now."""


class Rejected(TierError):
    """The tier does not want this page (it does not shrink, it is not zero); another tier may."""


class IoError(TierError):
    """The medium failed. A failed store kept nothing; a failed load may be tried again."""


class Poisoned(TierError):
    """The content of this one page is lost."""


class Gone(Poisoned):
    """The whole medium is gone, and this page with it; said of a store, too."""


@dataclass(frozen=True)
class Usage:
    """Room in a tier, pages: `pages` stored, of at most `capacity` (None: not bounded by itself)."""

    pages: int
    capacity: int | None


class Tier(Protocol):
    """A place for pages of 4096 bytes. Handles are ints, unique inside the tier.

    Each handle carries the slot that owns it: the reverse map. `store` makes the handle after its last await, so that
    the caller records it without another task running in between. `free` and `reown` never wait; work on the medium
    that follows from a free (trim, discard) is batched and done later, and the room comes back then.

    Any two calls may meet: other tasks store, load, free and flush while a call waits. A call may be cancelled at any
    await; a store that was cancelled has kept nothing. A tier that takes frames of DRAM is a Pooled one.
    """

    @property
    def type(self) -> BackingType:
        """The backing type of slots that live here."""

    async def store(self, data: bytes, slot: int) -> int:
        """Keep a page for `slot`; its handle. Raises Full, Rejected, IoError; then nothing is kept."""

    async def load(self, handle: int) -> bytes:
        """The page. Raises IoError, Poisoned."""

    def free(self, handle: int) -> None:
        """Drop the page. Raises KeyError for a handle that is not in use."""

    def reown(self, handle: int, slot: int) -> None:
        """The page belongs to another slot now (0: to a folio without one). Raises KeyError for a handle that is not in
        use."""

    def handles(self) -> dict[int, int]:
        """A copy of the reverse map: handle in use -> owning slot."""

    def usage(self) -> Usage:
        """Room now."""

    async def flush(self) -> None:
        """Do the batched work that frees have left behind."""

    def close(self) -> None:
        """Give up what the tier holds outside of this program. Idempotent."""


@runtime_checkable
class Pooled(Protocol):
    """A tier that keeps pages in frames of DRAM, which it takes from the machine's `Memory` (`take`, `give`). The
    frames in use are those of folios and those that tiers say here: another number is a leak.

    Attributes:
        limit_pages: frames that it takes at most.
    """

    limit_pages: int

    @property
    def pool_pages(self) -> int:
        """Frames that it has now. 0 when it holds no page."""


@runtime_checkable
class Shrinkable(Protocol):
    """A pool whose oldest pages are written back elsewhere.

    Attributes:
        accept_pages: once full, it takes pages again when it has come down to so many frames.
    """

    accept_pages: int

    @property
    def pool_pages(self) -> int:
        """See Pooled."""

    def oldest(self) -> tuple[int, int] | None:
        """(handle, slot) of the entry to write back next."""

    def rotate(self, handle: int) -> None:
        """The entry could not be written back now."""

    def over_threshold(self) -> bool:
        """It was full, and has not come down to the accept threshold."""


@runtime_checkable
class Gated(Protocol):
    """A tier that can be told to admit nothing."""

    def set_no_alloc(self, closed: bool) -> None:
        """Close the gate, or open it again. A store that has begun before may still be kept."""


@runtime_checkable
class QueuedTier(Tier, Protocol):
    """A swap device that takes requests of several pages. Several requests are under way at once, and end in any order.
    A page has its place before its request begins; a large folio has consecutive ones.

    Attributes:
        stable_writes: the pages of a request must stay as they are until it has ended.
    """

    stable_writes: bool

    def reserve(self, slot: int, count: int = 1) -> int:
        """Take consecutive places for `slot` and those after it; the first one. They are in use from now on, and hold
        nothing yet. Raises Full."""

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        """Write to places in use, from `handle` on, none of which is freed meanwhile. Raises IoError: the places stay
        in use, and hold nothing that could be relied upon."""

    async def read(self, handle: int, count: int) -> list[bytes | IoError]:
        """The pages of so many places in use, from `handle` on, in one request: each, or why it cannot be read."""
