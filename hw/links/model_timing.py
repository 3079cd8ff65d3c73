# SPDX-License-Identifier: MIT
"""Latencies of the model device: a rough stand-in for the cycle counts of the RTL.

Only the order of magnitude is right: one line a cycle on the host port, engines at their usual rates, media
latency once an access. Results that must hold in cycles come from the RTL.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.link import LINE_BYTES, PAGE_BYTES


@dataclass(frozen=True)
class ModelTiming:
    """Latencies in device clock cycles.

    Attributes:
        clock_ns: length of a clock cycle, ns.
        register_access: one AXI4-Lite access.
        line_hit: from an address to the first line, page cached.
        open_page: table lookup, choice of a victim.
        media_access: until the media's first beat; then a 64-byte beat a cycle.
        decode_first: from the first beat of an LZ4 block to the first line of its page.
        decode_page: from there to the last line: the mean over pages of programs, which take from 64 cycles to 700.
        compress_page: from the first line of a page to the last beat of its block.
        mailbox_command: overhead of a mailbox command.
        sanitize_page: a page of the background operation.
    """

    clock_ns: int = 1
    register_access: int = 4
    line_hit: int = 6
    open_page: int = 5
    media_access: int = 60
    decode_first: int = 20
    decode_page: int = 380
    compress_page: int = 582
    mailbox_command: int = 20
    sanitize_page: int = 8

    def fill(self, stored_bytes: int) -> tuple[int, int]:
        """Cycles until a page that is brought back begins to stream in, and cycles that its 64 lines take from there.

        `stored_bytes` is what lies on the media, 0 for zero and same pages.
        """
        if not stored_bytes:
            return 0, PAGE_BYTES // LINE_BYTES
        if stored_bytes >= PAGE_BYTES:  # raw
            return self.media_access, PAGE_BYTES // LINE_BYTES
        return self.media_access + self.decode_first, self.decode_page

    def compress(self, stored_bytes: int) -> int:
        """Cycles to scan and compress a page; `stored_bytes` is what goes to the media."""
        return self.compress_page if stored_bytes else PAGE_BYTES // LINE_BYTES

    def media(self, stored_bytes: int) -> int:
        """Cycles that the media has to do with so much of a page."""
        return self.media_access + -(-stored_bytes // LINE_BYTES) if stored_bytes else 0

    def close(self, stored_bytes: int) -> int:
        """Cycles to scan, compress and write a page; `stored_bytes` is what goes to the media."""
        return self.compress(stored_bytes) + self.media(stored_bytes)
