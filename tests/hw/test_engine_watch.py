# SPDX-License-Identifier: MIT
"""When the engines of a device are busy, as the links tell it: the model by its books, the RTL by its signals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from driver import CramDevice
from driver.values import Counters
from hw.engines import ENGINES
from hw.link import PAGE_BYTES, ZERO_PAGE, LinkError
from hw.links.in_process import InProcess, open_link
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from tests.hw.pages import text_pages

TEXT, NOISE = text_pages()[0], Random(1).randbytes(PAGE_BYTES)
PARAMETERS = DeviceParameters(perceived_pages=2048, media_bytes=1 << 20)


@dataclass
class Heard:
    """What the engines did in one piece of work, and what the device counted and took."""

    spans: list[tuple[str, int, int]] = field(default_factory=list)
    counters: Counters | None = None
    totals: dict[str, int] = field(default_factory=dict)
    end: int = 0

    def times(self) -> Counter[str]:
        return Counter(engine for engine, _, _ in self.spans)

    def busy(self, engine: str) -> int:
        return sum(end - start for name, start, end in self.spans if name == engine)


def work(
    kind: InProcess, pages: list[bytes], *, watch: bool = True, every: int = 1, media_latency: int | None = None
) -> Heard:
    """Write pages, let them leave the cache, read them back."""
    clock = VirtualClock()
    link = open_link(kind, clock, PARAMETERS, media_latency, engines=watch)
    heard = Heard()
    if watch:
        link.watch_engines(lambda engine, start, end: heard.spans.append((engine, start, end)), every)

    async def main() -> None:
        device = await CramDevice.probe(link)
        many = pages * (PARAMETERS.cache_pages // len(pages) + 1)
        for page, data in enumerate(many):
            await link.write(page * PAGE_BYTES, data)
        for page, data in enumerate(many):
            assert await link.read(page * PAGE_BYTES, PAGE_BYTES) == data
        await clock.sleep(10_000)
        heard.counters = await device.counters()
        heard.totals = link.engines_busy()
        heard.end = clock.now
        await link.close()

    clock.run(main())
    return heard


@pytest.fixture(params=["model", "verilated"])
def kind(request: pytest.FixtureRequest) -> InProcess:
    return request.param  # type: ignore[no-any-return]


def test_to_watch_the_engines_changes_no_time_and_no_counter(kind: InProcess) -> None:
    plain, watched = work(kind, [TEXT, NOISE], watch=False), work(kind, [TEXT, NOISE])
    assert (plain.end, plain.counters) == (watched.end, watched.counters)


def test_each_close_is_a_time_of_the_compressor_and_each_fill_of_an_lz4_page_one_of_the_decompressor(
    kind: InProcess,
) -> None:
    heard = work(kind, [TEXT])
    assert heard.counters is not None
    assert heard.times()["compressor"] == heard.counters.pages_closed > 0
    assert heard.times()["decompressor"] == heard.counters.pages_filled > 0


def test_a_page_of_zeros_needs_no_media_and_a_raw_one_no_decompressor(kind: InProcess) -> None:
    zeros, raw = work(kind, [ZERO_PAGE]), work(kind, [NOISE])
    assert zeros.times()["compressor"] > 0 and zeros.times()["media"] == zeros.times()["decompressor"] == 0
    assert raw.times()["media"] > 0 and raw.times()["decompressor"] == 0


def test_a_slower_media_is_busy_for_longer(kind: InProcess) -> None:
    """Each time takes a latency at the least; what goes on at the same time shares one."""
    quick, slow = (work(kind, [TEXT], media_latency=cycles) for cycles in (20, 400))
    for heard, latency in ((quick, 20), (slow, 400)):
        times = [end - start for name, start, end in heard.spans if name == "media"]
        assert times and min(times) >= latency
    assert slow.busy("media") > quick.busy("media")
    assert slow.busy("compressor") == quick.busy("compressor")


def test_the_totals_are_those_of_the_times(kind: InProcess) -> None:
    heard = work(kind, [TEXT, NOISE])
    assert heard.totals == {engine: heard.busy(engine) for engine in ENGINES}
    assert work(kind, [TEXT], watch=False).totals == {}


def test_fewer_looks_give_nearly_the_same_loads_and_the_same_run() -> None:
    each, few = (work("verilated", [TEXT, NOISE], every=every) for every in (1, 16))
    assert (each.end, each.counters) == (few.end, few.counters)
    for engine in ("compressor", "decompressor", "media"):
        times = max(each.times()[engine], 1)
        assert abs(each.busy(engine) - few.busy(engine)) <= 16 * times, "each time may be so much off"


def test_each_command_is_a_time_of_the_mailbox(kind: InProcess) -> None:
    clock = VirtualClock()
    link = open_link(kind, clock, PARAMETERS, engines=True)
    heard = Heard()

    async def main() -> None:
        device = await CramDevice.probe(link)
        link.watch_engines(lambda engine, start, end: heard.spans.append((engine, start, end)))
        for _ in range(3):
            await device.identify()

    clock.run(main())
    assert heard.times()["mailbox"] == 3


def test_the_times_of_an_engine_follow_one_another_and_lie_in_the_run(kind: InProcess) -> None:
    heard = work(kind, [TEXT, NOISE, ZERO_PAGE])
    for engine in ENGINES:
        moments = [moment for name, start, end in heard.spans if name == engine for moment in (start, end)]
        assert moments == sorted(moments)
        assert all(0 <= moment <= heard.end for moment in moments)
    assert all(start < end for _, start, end in heard.spans)


def test_a_link_that_was_not_made_for_it_says_so() -> None:
    with pytest.raises(LinkError, match="engines=True"):
        VerilatedLink(VirtualClock(), PARAMETERS).watch_engines(lambda *_: None)
