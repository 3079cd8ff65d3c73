# SPDX-License-Identifier: MIT
"""The media of the bench: a DRAM's lines take what the standard's times add up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.link import LINE_BYTES
from sim.bench.dram import DRAMS, Dram, Fixed, timing

DDR4 = DRAMS["DDR4-3200"]
NS = pytest.approx


def bank_stride(dram: Dram) -> int:
    """An address of bank 0's next row: rows of a bank lie banks x row apart, but for the exclusive or with the row."""
    wanted, _ = dram.place(0)
    step = dram.times.row_bytes
    return next(row * step for row in range(dram.times.banks, 10**6) if dram.place(row * step)[0] == wanted)


def test_a_fixed_latency_is_what_it_says() -> None:
    assert Fixed(40).done(100, 0, False) == Fixed(40).done(100, 4096, True) == 140


def test_a_closed_row_is_activated_and_then_read() -> None:
    assert Dram(DDR4).serve(0, 0, False) == NS(DDR4.rcd + DDR4.cl + DDR4.burst)


def test_an_open_row_costs_the_column_alone() -> None:
    dram = Dram(DDR4)
    dram.serve(0, 0, False)
    assert dram.serve(1000, LINE_BYTES, False) == NS(1000 + DDR4.cl + DDR4.burst)


def test_another_row_of_the_bank_is_precharged_first() -> None:
    dram = Dram(DDR4)
    dram.serve(0, 0, False)
    assert dram.serve(1000, bank_stride(dram), False) == NS(1000 + DDR4.rp + DDR4.rcd + DDR4.cl + DDR4.burst)


def test_a_row_stays_open_as_long_as_the_standard_asks() -> None:
    dram = Dram(DDR4)
    dram.serve(0, 0, False)
    assert dram.serve(0, bank_stride(dram), False) == NS(DDR4.ras + DDR4.rp + DDR4.rcd + DDR4.cl + DDR4.burst)


def test_lines_of_a_row_follow_each_other_on_the_bus() -> None:
    dram = Dram(DDR4)
    first = dram.serve(0, 0, False)
    assert [dram.serve(0, n * LINE_BYTES, False) for n in range(1, 8)] == [
        NS(first + n * DDR4.burst) for n in range(1, 8)
    ]


def test_banks_are_activated_beside_each_other_but_four_at_a_time() -> None:
    dram = Dram(DDR4)
    ends = [dram.serve(0, n * DDR4.row_bytes, False) for n in range(5)]
    alone = DDR4.rcd + DDR4.cl + DDR4.burst
    assert ends[1] == NS(DDR4.rrd + alone)
    assert ends[4] == NS(DDR4.faw + alone)


def test_a_read_waits_for_the_turn_of_the_bus_after_a_write() -> None:
    dram = Dram(DDR4)
    written = dram.serve(0, 0, True)
    assert written == NS(DDR4.rcd + DDR4.cwl + DDR4.burst)
    assert dram.serve(written, LINE_BYTES, False) == NS(written + DDR4.wtr + DDR4.cl + DDR4.burst)


def test_a_refresh_closes_the_rows_and_takes_its_time() -> None:
    dram = Dram(DDR4)
    dram.serve(0, 0, False)
    assert dram.serve(DDR4.refi, 0, False) == NS(DDR4.refi + DDR4.rfc + DDR4.rcd + DDR4.cl + DDR4.burst)


@pytest.mark.parametrize("name", DRAMS)
@given(accesses=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4095), st.booleans()), min_size=1, max_size=60))
def test_no_line_is_faster_than_the_bus_and_a_column(name: str, accesses: list[tuple[int, int, bool]]) -> None:
    dram, times, now, before = Dram(DRAMS[name]), DRAMS[name], 0.0, float("-inf")
    for wait, line, write in accesses:
        now += wait
        end = dram.serve(now, line * 1024, write)
        assert end >= now + (times.cwl if write else times.cl) + times.burst - 1e-6
        assert end >= before + times.burst - 1e-6, "two lines are on the bus at once"
        before = end


def test_an_unknown_memory_has_no_timing() -> None:
    with pytest.raises(KeyError, match="SRAM"):
        timing("SRAM", 1)
