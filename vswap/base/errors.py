# SPDX-License-Identifier: MIT
"""What can go wrong in the virtual swap layer, typed. Rules: docs/vswap/errors.md."""

# ruff: noqa: N818 - the errors are named after the conditions, as the kernel does

from __future__ import annotations


class VswapError(Exception):
    """Base of every error this layer raises on purpose."""


class AlreadyCached(VswapError):
    """EEXIST: the slot is pinned in the swap cache by somebody else. The loser retries, or uses the winner's folio."""


class SlotGone(VswapError):
    """ENOENT: nothing refers to the slot any more, so it cannot be pinned or duplicated."""


class SlotsExhausted(VswapError):
    """No virtual slot could be allocated (the table's limit is reached)."""


class SwapMaxReached(SlotsExhausted):
    """A direct slot would pass the memory.swap.max of its group."""


class CountOverflow(VswapError):
    """ENOMEM: the slot's swap_count is at its greatest value, so no further PTE can name it."""


class TableWanted(VswapError):
    """ENOMEM: the swap_count needs an extend table, for which there is no memory without waiting."""


class OutOfMemory(VswapError):
    """Reclaim could not free a frame for this access, although it tried repeatedly."""


class ContractViolation(VswapError):
    """A caller broke a rule of the layer, for example changed a backing without the pin. Always a bug in the caller."""


class SegmentationFault(VswapError):
    """An access to an address space that has exited."""


class SigBus(VswapError):
    """The data of one page could not be read: this access fails, nothing else does.

    Attributes:
        space: name of the address space.
        vpn: virtual page number of the access.
    """

    def __init__(self, space: str, vpn: int, cause: Exception) -> None:
        super().__init__(f"SIGBUS in {space} at page {vpn}: {cause}")
        self.space = space
        self.vpn = vpn


class InvariantViolation(VswapError):
    """The state contradicts itself.

    Attributes:
        findings: one sentence for each contradiction.
    """

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings
