# SPDX-License-Identifier: MIT
"""Bench: what a backend under test is built on, fresh for each check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from driver import CramDevice, DeviceLost, MailboxError, PagePoisoned
from hw.codes import Opcode, ReturnCode
from hw.link import Link
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg
from vswap.tiers.base import Tier

DEVICE = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, cache_pages=4)
"""256 sectors of 256 bytes: 16 raw pages fill it."""
MEMORY_PAGES = 512
STORE_PAGES = 48
"""Size of a backend that has one: small enough to be filled."""

LinkMaker = Callable[[VirtualClock, DeviceParameters], Link]


class TroubledDevice(CramDevice):
    """The driver of a device to which things happen.

    Attributes:
        lost: pages whose content the media has lost: loads answer poison until the next trim.
        gone: the link is down.
        refuse_trims: trims fail.
        busy_trims: so many of the next trims are to be tried again.
        used: accesses so far.
    """

    lost: set[int]
    gone: bool = False
    refuse_trims: bool = False
    busy_trims: int = 0
    used: int = 0

    async def load(self, page: int) -> bytes:
        """See CramDevice."""
        self._check_trouble(page)
        return await super().load(page)

    async def load_line(self, page: int, line: int) -> bytes:
        """See CramDevice."""
        self._check_trouble(page)
        return await super().load_line(page, line)

    async def store(self, page: int, data: bytes) -> None:
        """See CramDevice."""
        self._check_trouble(page)
        await super().store(page, data)

    async def trim(self, pages: Iterable[int]) -> None:
        """See CramDevice."""
        pages = list(pages)
        if self.gone:
            raise DeviceLost("the device was pulled")
        if self.busy_trims:
            self.busy_trims -= 1
            raise MailboxError(ReturnCode.BUSY, Opcode.MEDIA_OPERATIONS)
        if self.refuse_trims:
            raise MailboxError(ReturnCode.INTERNAL_ERROR, Opcode.MEDIA_OPERATIONS)
        await super().trim(pages)
        self.lost.difference_update(pages)

    def _check_trouble(self, page: int) -> None:
        self.used += 1
        if self.gone:
            raise DeviceLost("the device was pulled")
        if page in self.lost:
            raise PagePoisoned(page, None)


@dataclass
class Bench:
    """The parts a backend may be made of: memory only from `memory`, time only from `clock`, files only in `folder`.

    Attributes:
        memory: frames of DRAM; it serves as the `Frames` of a compressed pool, too.
        device: a compressed-RAM device of 64 pages on 64 KiB of media, probed and empty.
        rng: the randomness of the check, from its seed.
        store_pages: how many pages a backend that has a size should hold.
        memcg_of: tells the memory control group of a slot; None where all are the root's.
    """

    clock: VirtualClock
    costs: Costs
    counters: Counters
    memory: Memory
    folder: Path
    device: TroubledDevice
    rng: Random
    store_pages: int = STORE_PAGES
    watchers: list[Callable[[], None]] = field(default_factory=list)
    memcg_of: Callable[[int], Memcg] | None = None

    def watch(self, on_step: Callable[[], None] | None) -> None:
        """Call `on_step` before every step of any task from now on; None ends it."""
        self.watchers[:] = [] if on_step is None else [on_step]


@dataclass
class Backend:
    """A backend under test, with the trouble that its maker can cause on demand. A check that needs trouble which a
    backend does not offer does not apply to it, and is reported so.

    Attributes:
        tier: the backend.
        damage: make the medium lose what it holds under this handle.
        break_writes: make writes to the medium fail (True), or work again.
    """

    tier: Tier
    damage: Callable[[int], None] | None = None
    break_writes: Callable[[bool], None] | None = None
    notes: list[str] = field(default_factory=list)


Factory = Callable[[Bench], Backend | Tier]


def build(factory: Factory, bench: Bench) -> Backend:
    """What the factory makes, as a Backend."""
    made = factory(bench)
    return made if isinstance(made, Backend) else Backend(made)


async def make_bench(
    clock: VirtualClock, link: Link, folder: Path, rng: Random, watchers: list[Callable[[], None]]
) -> Bench:
    """A bench with the device behind `link`, probed. Raises DeviceNotFound."""
    device = await TroubledDevice.probe(link)
    assert isinstance(device, TroubledDevice)
    device.lost = set()
    memory = Memory(clock, MEMORY_PAGES)
    return Bench(clock, Costs(), Counters(), memory, folder, device, rng, watchers=watchers)
