# SPDX-License-Identifier: MIT
"""DeviceParameters: the parameters a device is built with (docs/device/ports.md, "Parameters")."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from hw.link import PAGE_BYTES

PAGE_COUNTS = tuple(1 << order for order in range(4, 25))
SECTOR_SIZES = (64, 128, 256, 512, 1024)
ENGINE_WIDTHS = (8,)
"""One: a narrower engine takes as much area, a wider one loses too much of the ratio (docs/compressor.md)."""
MAXIMUM_FILL_ENGINES = 4
MAXIMUM_PROMOTED_PAGES = 1 << 15
MINIMUM_MEDIA_BYTES = 32 << 10
MAXIMUM_MEDIA_BYTES = (2 << 30) - 1
"""A parameter of Verilog is a signed word of 32 bits."""
MEDIA_LATENCY = 40
"""Clock cycles from a media request to its first beat: of the benches' media (hw/bench/media_dram.v)."""


def _parameter(default: int, meaning: str, **schema: Any) -> int:
    """A default with what it stands for, and what JSON Schema can say of its legal values."""
    return field(default=default, metadata={"meaning": meaning, "schema": schema})


@dataclass(frozen=True)
class DeviceParameters:
    """What a device is built with; each with its meaning in `field.metadata`. Illegal values raise ValueError with one
    line naming the parameter. The RTL has the same defaults."""

    perceived_pages: int = _parameter(4096, "pages the device shows; a power of two", enum=PAGE_COUNTS)
    media_bytes: int = _parameter(4 << 20, "bytes its media holds; a multiple of sector_bytes",
                                  minimum=MINIMUM_MEDIA_BYTES, maximum=MAXIMUM_MEDIA_BYTES)  # fmt: skip
    sector_bytes: int = _parameter(256, "unit of allocation on the media", enum=SECTOR_SIZES)
    cache_pages: int = _parameter(8, "decompressed pages kept on chip", minimum=2, maximum=64)
    bytes_per_cycle: int = _parameter(8, "width of the LZ4 compressor", enum=ENGINE_WIDTHS)
    fill_engines: int = _parameter(4, "pages filled at the same time; at most half of cache_pages are",
                                   minimum=1, maximum=MAXIMUM_FILL_ENGINES)  # fmt: skip

    promoted_pages: int = _parameter(0, "pages of the media where hot pages lie as they are; of the RTL alone",
                                     minimum=0, maximum=MAXIMUM_PROMOTED_PAGES)  # fmt: skip

    def __post_init__(self) -> None:
        pages = self.perceived_pages
        _check(16 <= pages <= 1 << 24 and pages & (pages - 1) == 0,
               "perceived_pages", pages, "a power of two from 16 to 16777216")  # fmt: skip
        _check(self.sector_bytes in SECTOR_SIZES, "sector_bytes", self.sector_bytes, f"one of {SECTOR_SIZES}")
        _check(MINIMUM_MEDIA_BYTES <= self.media_bytes <= MAXIMUM_MEDIA_BYTES
               and self.media_bytes % self.sector_bytes == 0,
               "media_bytes", self.media_bytes, f"a multiple of sector_bytes ({self.sector_bytes}), at least "
               f"{MINIMUM_MEDIA_BYTES} and below 2 GiB")  # fmt: skip
        _check(2 <= self.cache_pages <= 64, "cache_pages", self.cache_pages, "from 2 to 64")
        _check(self.bytes_per_cycle in ENGINE_WIDTHS, "bytes_per_cycle", self.bytes_per_cycle,
               f"one of {ENGINE_WIDTHS}")  # fmt: skip
        _check(1 <= self.fill_engines <= MAXIMUM_FILL_ENGINES, "fill_engines", self.fill_engines,
               f"from 1 to {MAXIMUM_FILL_ENGINES}")  # fmt: skip
        most = min(MAXIMUM_PROMOTED_PAGES, (self.media_bytes - MINIMUM_MEDIA_BYTES) // PAGE_BYTES)
        _check(0 <= self.promoted_pages <= most, "promoted_pages", self.promoted_pages,
               f"from 0 to {most}, so that the other pages have {MINIMUM_MEDIA_BYTES} bytes of the media")  # fmt: skip

    def verilog(self) -> dict[str, int]:
        """Under the names that the RTL has for them."""
        return {name.upper(): value for name, value in asdict(self).items()}

    @property
    def media_sectors(self) -> int:
        """Sectors on the media, without those of the promoted region."""
        return (self.media_bytes - self.promoted_pages * PAGE_BYTES) // self.sector_bytes

    @property
    def spare_entries(self) -> int:
        """Entries of the page cache that are kept clean, so that misses find one (docs/device/misses.md)."""
        return 1 if self.cache_pages < 8 else self.cache_pages // 4

    @property
    def raw_sectors(self) -> int:
        """Sectors of a page stored raw; what a dirty page reserves."""
        return PAGE_BYTES // self.sector_bytes


def _check(legal: bool, name: str, value: int, expected: str) -> None:
    if not legal:
        raise ValueError(f"{name} is {value}, expected {expected}")


DEFAULTS = DeviceParameters()
"""What a device is built with where nothing else is said."""
