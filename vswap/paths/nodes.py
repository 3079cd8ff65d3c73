# SPDX-License-Identifier: MIT
"""Nodes: how a provider gives memory to the swap system and takes it back (docs/vswap/nodes.md)."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Protocol

from driver import CramDevice
from vswap.base.errors import VswapError
from vswap.paths.hot import HotPages
from vswap.paths.reclaim import Reclaim
from vswap.paths.swapoff import Swapoff, SwapoffFailed
from vswap.state.machine import Machine
from vswap.tiers.cram import CramTier


class NodeError(VswapError):
    """A call of a provider was refused.

    Attributes:
        errno: EINVAL, EBUSY or ENODEV.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(f"{errno.errorcode[number]}: {message}")
        self.errno = number


class NodeCalls(Protocol):
    """The seam between a provider and the owner of the pages. Every call names a node."""

    async def register(self, node: str, ranges: Sequence[range], ratio: int, device: CramDevice) -> None:
        """Donate ranges of perceived pages (and the calls of the device behind them: loads, stores, trim).

        Raises:
            NodeError: EINVAL bad ranges or ratio, ENODEV there is no such node, EBUSY it is in use, or pages of the
                device before are still being given up. Nothing is left online.
        """

    async def unregister(self, node: str, ranges: Sequence[range]) -> None:
        """Evacuate the node and take it back, all or nothing.

        Raises:
            NodeError: EINVAL other ranges than registered, ENODEV there is no such node, EBUSY pages cannot be moved:
                nothing was removed, and it may be tried again.
        """

    def set_capacity(self, node: str, pages: int) -> None:
        """How many pages the provider can back now; the rest goes into the balloon, in time. The last value wins.
        Raises NodeError: EINVAL, ENODEV."""

    def set_compression_ratio(self, node: str, achieved: int) -> None:
        """The same by the ratio that it achieves, per-mille. Raises NodeError: EINVAL, ENODEV."""

    def set_no_alloc(self, node: str, closed: bool) -> None:
        """Admit nothing new, or something again; neither residents nor the balloon notice. Raises NodeError: ENODEV."""

    async def report_hot_pages(self, node: str, pages: Sequence[int] | None = None) -> None:
        """The device has nominated pages, these or those that it is asked for: promote what is still there, within the
        budget. Raises NodeError: EINVAL, ENODEV."""


class Nodes:
    """The CRAM nodes of a swap system, by name; implements NodeCalls. A node registers when the system is built."""

    def __init__(self, machine: Machine, reclaim: Reclaim, hot: HotPages) -> None:
        self.machine = machine
        self._reclaim = reclaim
        self._hot = hot
        self._ranges = {
            name: [range(tier.pages)] for name, tier in machine.tiers.named.items() if isinstance(tier, CramTier)
        }

    async def register(self, node: str, ranges: Sequence[range], ratio: int, device: CramDevice) -> None:
        """See NodeCalls."""
        tier = self.tier(node, registered=False)
        if node in self._ranges and tier.gone is None:
            raise NodeError(errno.EBUSY, f"{node} is registered")
        if list(ranges) != [range(device.geometry.perceived_pages)]:
            raise NodeError(
                errno.EINVAL, f"ranges {list(ranges)}, the device has {device.geometry.perceived_pages} pages"
            )
        if ratio < 1000:
            raise NodeError(errno.EINVAL, f"a configured ratio of {ratio} per-mille, expected at least 1000")
        if tier.usage().pages or self.machine.tiers.storing[tier] or self.machine.residents.on[tier]:
            raise NodeError(errno.EBUSY, f"{node}: pages of the device before are still being given up")
        if tier.gone is None:
            tier.detach()
        await tier.attach(device)
        if node not in self._ranges:  # else it may be switched off for another reason
            self.machine.tiers.offline.discard(tier)
        self._ranges[node] = list(ranges)

    async def unregister(self, node: str, ranges: Sequence[range]) -> None:
        """See NodeCalls."""
        tier = self.tier(node)
        if list(ranges) != self._ranges[node]:
            raise NodeError(errno.EINVAL, f"ranges {list(ranges)}, registered are {self._ranges[node]}")
        if tier in self.machine.tiers.offline:
            raise NodeError(errno.EBUSY, f"{node} is being switched off")
        if tier.gone is None:
            try:
                await Swapoff(self.machine, self._reclaim, tier, self.machine.layer.searches[0]).run()
            except SwapoffFailed as error:
                raise NodeError(errno.EBUSY, f"{node}: {error}") from error
        elif tier.usage().pages:
            raise NodeError(errno.EBUSY, f"{node}: its pages are still being given up")
        self.machine.tiers.offline.add(tier)
        tier.detach()
        del self._ranges[node]

    def set_capacity(self, node: str, pages: int) -> None:
        """See NodeCalls."""
        tier = self.tier(node)
        if not 0 <= pages <= tier.pages:
            raise NodeError(errno.EINVAL, f"a capacity of {pages} pages, {node} has {tier.pages}")
        tier.resize_balloon(tier.pages - pages)

    def set_compression_ratio(self, node: str, achieved: int) -> None:
        """See NodeCalls."""
        tier = self.tier(node)
        if achieved < 0:
            raise NodeError(errno.EINVAL, f"a ratio of {achieved} per-mille")
        configured = tier.inventory.provider.configured_ratio
        tier.resize_balloon(tier.pages * max(0, configured - achieved) // configured)

    def set_no_alloc(self, node: str, closed: bool) -> None:
        """See NodeCalls."""
        self.tier(node).set_no_alloc(closed)

    async def report_hot_pages(self, node: str, pages: Sequence[int] | None = None) -> None:
        """See NodeCalls."""
        tier = self.tier(node)
        if pages is None:
            await self._hot.round(tier)
            return
        if not all(0 <= page < tier.pages for page in pages):
            raise NodeError(errno.EINVAL, f"{node} has pages 0 to {tier.pages - 1}")
        await self._hot.report(tier, pages)

    def tier(self, node: str, *, registered: bool = True) -> CramTier:
        """The CRAM tier of a node, which must be `registered`. Raises NodeError: ENODEV."""
        tier = self.machine.tiers.named.get(node)
        if not isinstance(tier, CramTier) or (registered and node not in self._ranges):
            raise NodeError(errno.ENODEV, f"there is no node {node}")
        return tier
