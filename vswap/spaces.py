"""Address spaces (mm): page tables and the accesses of tasks."""

from __future__ import annotations


class AddressSpace:
    """One task group's memory. Whole-page accesses of 4096 bytes, or reads of one 64-byte line."""

    name: str

    async def read(self, vpn: int, line: int | None = None) -> bytes:
        """The page's 4096 bytes, or the 64 bytes of `line` (0..63). Raises SigBus, OutOfMemory, SegmentationFault."""
        raise NotImplementedError

    async def write(self, vpn: int, data: bytes) -> None:
        """Store a whole page of 4096 bytes. Raises SigBus, OutOfMemory, SegmentationFault."""
        raise NotImplementedError

    async def unmap(self, vpn: int, count: int = 1) -> None:
        """Drop the pages `vpn` .. `vpn + count - 1`; they read as zeros afterwards."""
        raise NotImplementedError

    async def pageout(self, vpn: int) -> bool:
        """Reclaim one page now (madvise PAGEOUT). True when it left DRAM."""
        raise NotImplementedError

    async def exit(self) -> None:
        """Drop every page. Accesses raise SegmentationFault afterwards. Idempotent."""
        raise NotImplementedError
