# SPDX-License-Identifier: MIT
"""cocotb tests of counters that overflow, in cram_registers; run by test_registers.py.

They set the counters from inside, which no port can do in a time that anybody would wait.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.simtime import get_sim_time

from hw.registers import PULSES, Register
from tests.hw.bench_registers import WORD, pulses, started
from tests.hw.expect import PERIOD_NS


@cocotb.test()
async def counters_wrap_at_32_bit_and_block_bytes_carry(dut: Any) -> None:
    tb = await started(dut)
    dut.u_counters.counters_o.value = (1 << 32 * len(PULSES)) - 1
    dut.u_counters.block_bytes_o.value = WORD
    await tb.cycles(1)
    for counter in PULSES:
        assert await tb.read(counter) == WORD, counter.name
    await tb.pulse(**pulses(*PULSES), block_bytes=1)
    await tb.cycles(1)
    for counter in PULSES:
        assert await tb.read(counter) == 0, counter.name
    await tb.expect(Register.BLOCK_BYTES_LOW, 0)
    await tb.expect(Register.BLOCK_BYTES_HIGH, 1)
    dut.u_counters.block_bytes_o.value = (1 << 64) - 1
    await tb.cycles(1)
    await tb.pulse(**pulses(Register.CLOSED_LZ4), block_bytes=1)
    await tb.cycles(1)
    assert await tb.read(Register.BLOCK_BYTES_LOW) == await tb.read(Register.BLOCK_BYTES_HIGH) == 0


@cocotb.test()
async def cycles_count_the_clock_and_reading_low_latches_high(dut: Any) -> None:
    tb = await started(dut)

    async def now() -> tuple[int, int]:
        value = await tb.read(Register.CYCLES_LOW)
        return value, round(get_sim_time("ps"))

    first, first_time = await now()
    await tb.cycles(1000)
    second, second_time = await now()
    assert (second - first) * PERIOD_NS * 1000 == second_time - first_time
    dut.u_counters.cycles_q.value = 0x7_FFFF_FFFF
    await tb.cycles(1)
    await tb.expect(Register.CYCLES_HIGH, 0, "not read live")
    low = await tb.read(Register.CYCLES_LOW)
    assert low < 1000
    dut.u_counters.cycles_q.value = 0x9_FFFF_0000
    await tb.cycles(1)
    for offset in (Register.ID, Register.CYCLES_HIGH, Register.PAGES_CLOSED, Register.CYCLES_HIGH):
        value = await tb.read(offset)
    assert value == 8, "as it was when LOW was read, whatever else was read since"
