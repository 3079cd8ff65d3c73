# SPDX-License-Identifier: MIT
"""Bits of the media flip, or a beat lies where it does not belong (docs/device/integrity.md)."""

from __future__ import annotations

from typing import Any

import cocotb

from hw.codes import EventCode
from hw.ecc import LINE_BITS, LINE_CHECK_BITS
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import Register
from tests.hw.bench_cram_device_media import lost, stored
from tests.hw.cram_device_tb import PARAMETERS, TB, effort
from tests.pages import compressible_page, noise_page

WORD_BITS = LINE_BITS + LINE_CHECK_BITS
BEATS_OF_A_SECTOR = PARAMETERS.sector_bytes // LINE_BYTES


async def refused(tb: TB, page: int, beat: int) -> None:
    """Reading the page finds that `beat` cannot be told: the page is poison, the beat's sector is retired."""
    await tb.read(page * PAGE_BYTES, PAGE_BYTES)
    await tb.idle()
    tb.media.failed.add(beat // BEATS_OF_A_SECTOR)
    await lost(tb, page, EventCode.UNCORRECTABLE)


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def one_flip_in_every_beat_is_corrected_and_counted(dut: Any) -> None:
    """In data or check, of raw pages and blocks."""
    tb = await TB.open(dut)
    corrected = 0
    for round_ in range(effort(6)):
        content = compressible_page(round_) if round_ % 2 else noise_page(round_)
        info = await stored(tb, 0, content)
        beats = tb.media.beats(info.first_sector, info.length)
        for beat in beats:
            tb.media.flip(beat, [tb.random.randrange(WORD_BITS)])
        assert await tb.load(0) == content
        await tb.idle()
        corrected += len(beats)
        await tb.expect(Register.BITS_CORRECTED, corrected)
        assert await tb.events() == []
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def two_or_three_flips_in_a_beat_are_told_and_not_corrected(dut: Any) -> None:
    tb = await TB.open(dut)
    for round_ in range(effort(10)):
        info = await stored(tb, 0, compressible_page(round_) if round_ % 2 else noise_page(round_))
        beat = tb.random.choice(tb.media.beats(info.first_sector, info.length))
        tb.media.flip(beat, tb.random.sample(range(WORD_BITS), 2 + round_ // 2 % 2))
        await refused(tb, 0, beat)
    await tb.expect(Register.BITS_CORRECTED, 0)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_beat_of_another_page_or_place_is_refused(dut: Any) -> None:
    """It is whole, with the check it was stored with."""
    tb = await TB.open(dut)
    for other_page in (True, False):
        other = await stored(tb, 1, noise_page(2))
        info = await stored(tb, 0, noise_page(1))
        beats = tb.media.beats(info.first_sector, info.length)
        source = tb.media.beats(other.first_sector, other.length)[5] if other_page else beats[6]
        to, start = beats[5] * LINE_BYTES, source * LINE_BYTES
        tb.media.content[to : to + LINE_BYTES] = tb.media.content[start : start + LINE_BYTES]
        tb.media.checks[beats[5]] = tb.media.checks[source]
        await refused(tb, 0, beats[5])
        assert await tb.load(1) == noise_page(2)
    await tb.expect(Register.BITS_CORRECTED, 0)
    await tb.conserved()
