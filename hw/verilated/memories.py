# SPDX-License-Identifier: MIT
"""The memories of a device that hold pages, to be looked at and changed while it stands still: for faults.

A word is an int. It is as wide as it is stored, check bits above the data. Only a library that was compiled with
`memories.vlt` shows them:

    link = VerilatedLink(clock, parameters, memories=True)
    link.memories()["page_table"].flip(5, 80)  # bit 80 of the entry of page 5
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cffi import FFI

PLACES = {
    "media": "u_media",
    "page_table": "u_device.u_sequencer.u_table",
    "links": "u_device.u_store.u_allocator",
    "cache": "u_device.u_cache",
}
"""Names, and the instances of `hw/bench/cram_bench.v` in which they lie: 64-byte beats; entries, by page; the sector
behind each sector; lines, 64 for each entry of the cache."""


@dataclass(frozen=True)
class Memory:
    """One memory.

    Attributes:
        depth: words.
        bits: of a word.
    """

    depth: int
    bits: int
    _content: Any
    _stride: int

    def read(self, index: int) -> int:
        """A word. Raises IndexError."""
        start = self._start(index)
        return int.from_bytes(self._content[start : start + self._stride], "little")

    def write(self, index: int, word: int) -> None:
        """Change a word. Raises IndexError; ValueError if it does not fit."""
        start = self._start(index)
        if word < 0 or word >> self.bits:
            raise ValueError(f"{word:#x} does not fit into {self.bits} bits")
        self._content[start : start + self._stride] = word.to_bytes(self._stride, "little")

    def flip(self, index: int, *bits: int) -> None:
        """Flip bits of a word. Raises IndexError if there is no such word or bit."""
        mask = 0
        for bit in bits:
            if not 0 <= bit < self.bits:
                raise IndexError(f"bit {bit} of {self.bits}")
            mask ^= 1 << bit
        self.write(index, self.read(index) ^ mask)

    def _start(self, index: int) -> int:
        if not 0 <= index < self.depth:
            raise IndexError(f"word {index} of {self.depth}")
        return index * self._stride


def find_memories(ffi: FFI, lib: Any, device: Any) -> dict[str, Memory]:
    """The memories of a device, by the names in PLACES. Raises LookupError if its library does not show one."""
    memories = {}
    for name, place in PLACES.items():
        found = ffi.new("cram_memory *")
        if lib.cram_memory_at(device, place.encode(), found):
            raise LookupError(f"no memory to be seen in {place}")
        content = ffi.buffer(found.words, found.depth * found.stride)
        memories[name] = Memory(found.depth, found.bits, content, found.stride)
    return memories
