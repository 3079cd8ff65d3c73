# SPDX-License-Identifier: MIT
"""cocotb tests of cram_registers at its ports; run by test_registers.py. What to expect comes from hw/regs/cram.rdl."""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer
from cocotbext.axi import AxiLiteMasterRead, AxiLiteReadBus

from hw.codes import PageState
from hw.registers import LOADS, PULSES, Register
from hw.regs import model
from tests.hw.expect import PERIOD_NS, expect
from tests.hw.registers_tb import OKAY, SLVERR, TB, RawWrite

MAP = model.read()
BY_NAME = {register.name: register for register in MAP.registers}
PAYLOAD = Register.MAILBOX_PAYLOAD
WORD = 0xFFFFFFFF
LIVE = {"CYCLES_LOW", "CYCLES_HIGH"}  # differ between two reads
PARAMETERS = {name: int(os.environ[name]) for name in MAP.parameters if name in os.environ}
LOW, RECOVERED = 1 << 12, 1 << 13
CLOSED = [Register[state.counter.upper()] for state in PageState if state.resident]


def pulses(*counters: Register) -> dict[str, int]:
    """Inputs for the pulses of these counters; MEDIA_TIMEOUTS has one of its own."""
    late = Register.MEDIA_TIMEOUTS
    count = sum(1 << PULSES.index(counter) for counter in counters if counter != late)
    return {"count": count, "timeout": int(late in counters)}


async def started(dut: Any) -> TB:
    tb = TB(dut)
    await tb.start()
    tb.connect()
    return tb


async def taken(dut: Any) -> None:
    """Wait for the cycle in which a register takes a write: the bus holds address and data and does not answer yet."""
    while dut.s_axil_awready.value or dut.s_axil_wready.value or dut.s_axil_bvalid.value:
        await FallingEdge(dut.clk_i)


@cocotb.test()
async def every_register_has_its_reset_value(dut: Any) -> None:
    tb = await started(dut)
    for register in MAP.registers:
        if register.reset is not None and not register.parameter:
            assert await tb.read(register.offset) == register.reset, register.name
    dirty = [
        register for register in MAP.registers
        if register.mask("rw") and not register.name.startswith("MAILBOX")
    ]  # fmt: skip
    for register in dirty:
        await tb.write(register.offset, WORD)
        assert await tb.read(register.offset) == register.mask("rw"), register.name
    dut.rst_ni.value = 0
    await tb.cycles(1)
    dut.rst_ni.value = 1
    await tb.cycles(4)
    for register in dirty:
        assert await tb.read(register.offset) == register.reset, f"{register.name} after the second reset"


@cocotb.test()
async def the_parameters_can_be_read(dut: Any) -> None:
    tb = await started(dut)
    for name, value in PARAMETERS.items():
        if name != "MEDIA_BYTES":
            assert await tb.read(BY_NAME[name].offset) == value, name
    sectors = PARAMETERS["MEDIA_BYTES"] // PARAMETERS["SECTOR_BYTES"]
    await tb.expect(Register.MEDIA_SECTORS, sectors)


@cocotb.test()
async def levels_of_the_core_are_read_live(dut: Any) -> None:
    tb = await started(dut)
    for _ in range(10):
        free, reserved, resident = (tb.random.getrandbits(32) for _ in range(3))
        ready, idle = tb.random.getrandbits(1), tb.random.getrandbits(1)
        dut.free_sectors_i.value, dut.reserved_sectors_i.value, dut.resident_pages_i.value = free, reserved, resident
        dut.ready_i.value, dut.idle_i.value = ready, idle
        await tb.expect(Register.FREE_SECTORS, free)
        await tb.expect(Register.RESERVED_SECTORS, reserved)
        await tb.expect(Register.RESIDENT_PAGES, resident)
        await tb.expect(Register.STATUS, ready | idle << 1)


@cocotb.test()
async def writes_do_what_the_access_type_says(dut: Any) -> None:
    """Random values and byte ranges; rw takes the strobed bytes, w1c clears, everything else stays."""
    tb = await started(dut)
    dut.free_sectors_i.value = WORD
    registers = [register for register in MAP.registers if register.name not in LIVE]
    for register in registers * 2:
        if register.mask("w1c"):
            await tb.pulse(event_valid=1, event_code=1, event_page=1)
        first = tb.random.randrange(4)
        length = tb.random.randrange(1, 5 - first)
        data = tb.random.getrandbits(32)
        if register.mask("w1s"):
            data &= ~register.mask("w1s")  # 1 would run a command: bench_mailbox_*
        strobed = sum(0xFF << 8 * byte for byte in range(first, first + length))
        before = await tb.read(register.offset)
        written = data.to_bytes(4, "little")[first : first + length]
        assert await tb.write_bytes(register.offset + first, written) == OKAY
        kept = ~(strobed & register.mask("rw"))
        expected = before & kept | data & strobed & register.mask("rw")
        expected &= ~(data & strobed & register.mask("w1c"))
        if register.name == "EVENT_COUNT":
            expected = await tb.read(register.offset)  # counts what this test logs
        assert await tb.read(register.offset) == expected, f"{register.name} {data:#x} strobes {strobed:#x}"
        if register.access == "wo":
            assert expected == 0


@cocotb.test()
async def unmapped_offsets_answer_slverr_and_read_zero(dut: Any) -> None:
    tb = await started(dut)
    mapped = {register.offset for register in MAP.registers} | set(range(PAYLOAD, PAYLOAD + 4096, 4))
    neighbours = {offset + step for offset in mapped for step in (-4, 4)}
    aliases = {offset ^ bit for offset in mapped if offset < PAYLOAD for bit in (0x4000, 0x8000)}
    anywhere = {4 * tb.random.randrange(1 << 14) for _ in range(100)} | {0xFFFC, 0x3000, 0x1FDC}
    for offset in sorted((neighbours | aliases | anywhere) & set(range(0, 1 << 16, 4)) - mapped):
        assert await tb.try_read(offset) == (0, SLVERR), hex(offset)
        assert await tb.write_bytes(offset, b"\xff" * 4) == SLVERR, hex(offset)
    for register in MAP.registers:
        if register.mask("rw"):
            assert await tb.read(register.offset) == register.reset, f"{register.name} took a write beside it"


@cocotb.test()
async def the_payload_takes_every_word_and_every_strobe(dut: Any) -> None:
    tb = await started(dut)
    memory = bytearray(tb.random.randbytes(4096))
    assert await tb.write_bytes(PAYLOAD, bytes(memory)) == OKAY
    for _ in range(40):
        start = tb.random.randrange(4096)
        data = tb.random.randbytes(tb.random.randrange(1, min(12, 4096 - start) + 1))
        assert await tb.write_bytes(PAYLOAD + start, data) == OKAY
        memory[start : start + len(data)] = data
    assert await tb.read_bytes(PAYLOAD, 4096) == memory


@cocotb.test()
async def address_and_data_may_come_in_any_order(dut: Any) -> None:
    """All sixteen strobes, driven pin by pin."""
    tb = TB(dut)
    await tb.start()
    raw = RawWrite(tb)
    bus = AxiLiteReadBus.from_prefix(dut, "s_axil")
    reader = AxiLiteMasterRead(bus, dut.clk_i, dut.rst_ni, reset_active_level=False)
    expected = 0
    for strobe in range(16):
        for address_delay, data_delay in [(0, 0), (0, 7), (7, 0), (1, 0), (0, 1)]:
            value = tb.random.getrandbits(32)
            mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
            assert await raw.send(Register.LOW_WATERMARK, value, strobe, address_delay, data_delay) == OKAY
            expected = expected & ~mask | value & mask
            held = (await reader.read(Register.LOW_WATERMARK, 4)).data
            assert int.from_bytes(held, "little") == expected, f"strobe {strobe:04b}"
        assert await raw.send(0x0FFC, WORD, strobe, tb.random.randrange(3), tb.random.randrange(3)) == SLVERR


@cocotb.test()
async def random_stalls_on_every_channel_lose_nothing(dut: Any) -> None:
    tb = await started(dut)
    tb.stall(0.5)
    memory = {PAYLOAD + 4 * index: 0 for index in range(16)} | {Register.LOW_WATERMARK: 0}
    for offset in memory:
        await tb.write(offset, 0)
    dut.free_sectors_i.value = WORD

    async def hammer(offsets: list[int]) -> None:
        for _ in range(60):
            offset = tb.random.choice(offsets)
            if tb.random.random() < 0.5:
                memory[offset] = tb.random.getrandbits(32)
                await tb.write(offset, memory[offset])
            else:
                assert await tb.read(offset) == memory[offset], hex(offset)

    offsets = list(memory)
    tasks = [cocotb.start_soon(hammer(offsets[index::3])) for index in range(3)]
    for task in tasks:
        await task


@cocotb.test()
async def the_low_state_has_hysteresis(dut: Any) -> None:
    """A random walk of available sectors against the rule in four lines."""
    tb = await started(dut)
    low_mark, recovered_mark = 20, 30
    dut.available_sectors_i.value = 100
    await tb.write(Register.RECOVERED_WATERMARK, recovered_mark)
    await tb.write(Register.LOW_WATERMARK, low_mark)
    await tb.write(Register.INTERRUPT_ENABLE, LOW | RECOVERED)
    low = False
    free = 35
    seen = 0
    for _ in range(600):
        free = max(0, min(50, free + tb.random.randrange(-6, 7)))
        dut.available_sectors_i.value = free
        expected = 0
        if not low and free < low_mark:
            low, expected = True, LOW
        elif low and free >= recovered_mark:
            low, expected = False, RECOVERED
        await tb.cycles(4)
        expect(tb.dut.interrupt_o, expected, f"{free} available")
        seen |= expected
        if expected or tb.random.random() < 0.1:
            await tb.expect(Register.STATUS, low << 2)
            await tb.write(Register.INTERRUPT_STATUS, LOW | RECOVERED)
            expect(tb.dut.interrupt_o, 0)
    assert seen == LOW | RECOVERED, "the walk crossed both marks"


@cocotb.test()
async def a_low_watermark_of_zero_never_triggers(dut: Any) -> None:
    tb = await started(dut)
    dut.available_sectors_i.value = 0
    await tb.write(Register.RECOVERED_WATERMARK, 5)
    await tb.cycles(5)
    await tb.expect(Register.INTERRUPT_STATUS, 0)
    await tb.write(Register.LOW_WATERMARK, 1)
    await tb.expect(Register.INTERRUPT_STATUS, LOW)


@cocotb.test()
async def between_two_judgements_the_last_one_stands(dut: Any) -> None:
    tb = await started(dut)
    dut.available_sectors_i.value = 25
    await tb.write(Register.RECOVERED_WATERMARK, 30)
    await tb.write(Register.LOW_WATERMARK, 20)
    dut.judge_i.value = 0
    dut.available_sectors_i.value = 5
    await tb.cycles(4)
    await tb.write(Register.LOW_WATERMARK, 21)  # a mark that is written is compared with the last judgement
    await tb.expect(Register.INTERRUPT_STATUS, 0)
    dut.judge_i.value = 1
    await tb.cycles(1)
    dut.judge_i.value = 0
    dut.available_sectors_i.value = 50
    await tb.cycles(4)
    await tb.expect(Register.INTERRUPT_STATUS, LOW)
    await tb.expect(Register.STATUS, 1 << 2)


@cocotb.test()
async def while_closes_are_under_way_only_a_fall_is_judged(dut: Any) -> None:
    tb = await started(dut)
    dut.available_sectors_i.value = 25
    await tb.write(Register.RECOVERED_WATERMARK, 30)
    await tb.write(Register.LOW_WATERMARK, 20)
    dut.falls_i.value = 1
    for sectors, raised in ((40, 0), (20, 0), (19, LOW), (31, LOW)):
        dut.available_sectors_i.value = sectors
        await tb.cycles(4)
        await tb.expect(Register.INTERRUPT_STATUS, raised)
    dut.falls_i.value = 0
    await tb.cycles(4)
    await tb.expect(Register.INTERRUPT_STATUS, LOW | RECOVERED)


@cocotb.test()
async def marks_in_the_wrong_order_do_not_swing(dut: Any) -> None:
    tb = await started(dut)
    dut.available_sectors_i.value = 15
    await tb.write(Register.RECOVERED_WATERMARK, 10)
    await tb.write(Register.LOW_WATERMARK, 20)
    await tb.write(Register.INTERRUPT_STATUS, WORD)
    await tb.cycles(5)
    await tb.expect(Register.INTERRUPT_STATUS, 0)
    await tb.expect(Register.STATUS, 1 << 2)
    dut.available_sectors_i.value = 20
    await tb.cycles(4)
    await tb.expect(Register.INTERRUPT_STATUS, RECOVERED)


@cocotb.test()
async def high_medium_and_critical_are_left_a_margin_above_their_mark(dut: Any) -> None:
    """A random walk of available sectors against the rule, and `critical_o` with it."""
    tb = await started(dut)
    marks, margin = {3: 60, 4: 40, 5: 20}, 7  # bit of STATUS: mark
    line = {3: 1 << 10, 4: 1 << 11, 5: 1 << 14}
    free = 100
    dut.available_sectors_i.value = free
    for offset, value in zip(
        (Register.HIGH_WATERMARK, Register.MEDIUM_WATERMARK, Register.CRITICAL_WATERMARK), marks.values(), strict=True
    ):
        await tb.write(offset, value)
    await tb.write(Register.WATERMARK_HYSTERESIS, margin)
    held = dict.fromkeys(marks, False)
    entered = dict.fromkeys(marks, 0)
    for _ in range(300):
        free = max(0, min(90, free + tb.random.randrange(-15, 16)))
        dut.available_sectors_i.value = free
        raised = 0
        for bit, mark in marks.items():
            if not held[bit] and free < mark:
                held[bit] = True
                entered[bit] += 1
                raised |= line[bit]
            elif held[bit] and free >= mark + margin:
                held[bit] = False
        await tb.cycles(4)
        await tb.expect(Register.STATUS, sum(held[bit] << bit for bit in marks), f"{free} available")
        expect(dut.critical_o, held[5])
        await tb.expect(Register.INTERRUPT_STATUS, raised)
        await tb.write(Register.INTERRUPT_STATUS, WORD)
    assert min(entered.values()) > 1, "each state was entered again"
    await tb.write(Register.WATERMARK_HYSTERESIS, WORD)
    dut.available_sectors_i.value = 0
    await tb.cycles(3)
    dut.available_sectors_i.value = WORD - 1  # below mark + hysteresis, which is not cut to 32 bit
    await tb.cycles(3)
    await tb.expect(Register.STATUS, 0b111000)


@cocotb.test()
async def the_ratio_is_computed_from_the_levels_of_now(dut: Any) -> None:
    tb = await started(dut)
    sectors = PARAMETERS["MEDIA_BYTES"] // PARAMETERS["SECTOR_BYTES"]
    page_sectors = 4096 // PARAMETERS["SECTOR_BYTES"]
    cases = [(0, 0), (0, 5), (1, 0), (1, 1), (1 << 24, 1), (1 << 24, sectors), (3, sectors)]
    cases += [(tb.random.randrange(1, 1 << tb.random.randrange(1, 25)), tb.random.randrange(1, sectors + 1))
              for _ in range(60)]  # fmt: skip
    for resident, used in cases:
        dut.resident_pages_i.value, dut.free_sectors_i.value = resident, sectors - used
        expected = 1000 if resident == 0 else WORD if used == 0 else min(WORD, resident * page_sectors * 1000 // used)
        await tb.expect(Register.ACHIEVED_RATIO, expected, f"{resident} pages, {used} sectors")
        await tb.expect(Register.RESIDENT_PAGES, resident, "the next read is not late")


@cocotb.test()
async def hot_pages_are_passed_on(dut: Any) -> None:
    tb = await started(dut)
    await tb.write(Register.HEAT_THRESHOLD, WORD)
    await tb.write(Register.HEAT_PERIOD, 0x12345678)
    expect(dut.heat_threshold_o, 0xFF)
    expect(dut.heat_period_o, 0x12345678)
    for _ in range(10):
        threshold, period = tb.random.getrandbits(8), tb.random.getrandbits(32)
        await tb.write(Register.HEAT_THRESHOLD, threshold)
        await tb.write(Register.HEAT_PERIOD, period)
        expect(dut.heat_threshold_o, threshold)
        expect(dut.heat_period_o, period)
        count, page, overflow = tb.random.randrange(65), tb.random.getrandbits(32), tb.random.getrandbits(32)
        dut.hot_count_i.value, dut.hot_page_i.value, dut.hot_overflow_i.value = count, page, overflow
        await tb.expect(Register.HOT_COUNT, count)
        await tb.expect(Register.HOT_PAGE, page)
        await tb.expect(Register.HOT_OVERFLOW, overflow)
    await tb.pulse(hot_nominated=1)
    await tb.cycles(1)
    await tb.expect(Register.INTERRUPT_STATUS, 4)
    pops = 0
    for value in (1, 0, 2, WORD):
        writing = cocotb.start_soon(tb.write(Register.HOT_POP, value))
        while not writing.done():
            await FallingEdge(dut.clk_i)
            pops += int(dut.hot_pop_o.value)
    assert pops == 2


@cocotb.test()
async def a_line_is_status_and_enable(dut: Any) -> None:
    tb = await started(dut)
    await tb.pulse(event_valid=1, event_code=1, event_page=0)
    await tb.cycles(2)
    expect(tb.dut.interrupt_o, 0, "not enabled")
    for enable in (0x3003, 0x0002, 0x7C05, 0xFFFF):
        await tb.write(Register.INTERRUPT_ENABLE, enable)
        await tb.expect(Register.INTERRUPT_ENABLE, enable & 0x7C07)
        expect(tb.dut.interrupt_o, enable & 0x0002)
    await tb.write(Register.INTERRUPT_STATUS, 0x0001)
    expect(tb.dut.interrupt_o, 0x0002, "clearing another bit")
    await tb.write(Register.INTERRUPT_STATUS, 0x0002)
    expect(tb.dut.interrupt_o, 0)


@cocotb.test()
async def an_event_wins_over_clearing_in_the_same_cycle(dut: Any) -> None:
    tb = await started(dut)
    await tb.pulse(event_valid=1, event_code=1, event_page=0)
    clearing = cocotb.start_soon(tb.write(Register.INTERRUPT_STATUS, 0x0002))
    await taken(dut)
    await tb.pulse(event_valid=1, event_code=1, event_page=0)
    await clearing
    await tb.expect(Register.EVENT_COUNT, 2)
    await tb.expect(Register.INTERRUPT_STATUS, 0x0002)


@cocotb.test()
async def the_event_log_keeps_the_oldest_sixteen_in_order(dut: Any) -> None:
    tb = await started(dut)
    log: list[tuple[int, int]] = []
    dropped = 0
    overflowed = False
    for _ in range(120):
        if tb.random.random() < 0.6:
            event = (tb.random.randrange(1, 5), tb.random.getrandbits(32))
            await tb.pulse(event_valid=1, event_code=event[0], event_page=event[1])
            await tb.cycles(1)
            expected = 0
            if len(log) < 16:
                log.append(event)
                expected = 2
            else:
                dropped += 1
                overflowed = True
            await tb.expect(Register.INTERRUPT_STATUS, expected, "a dropped event raises nothing")
            await tb.write(Register.INTERRUPT_STATUS, 2)
        else:
            value = tb.random.choice([1, 1, 1, 0, 2, WORD])
            await tb.write(Register.EVENT_POP, value)
            if value & 1 and log:
                log.pop(0)
        await tb.expect(Register.EVENT_COUNT, len(log))
        code, page = log[0] if log else (0, 0)
        await tb.expect(Register.EVENT_CODE, code)
        await tb.expect(Register.EVENT_PAGE, page)
        await tb.expect(Register.EVENT_OVERFLOW, dropped)
    assert overflowed, "the log was full once"
    while log:
        await tb.write(Register.EVENT_POP, 1)
        log.pop(0)
        await tb.expect(Register.EVENT_COUNT, len(log))


@cocotb.test()
async def a_pop_makes_room_in_the_same_cycle(dut: Any) -> None:
    tb = await started(dut)
    for page in range(16):
        await tb.pulse(event_valid=1, event_code=1, event_page=page)
    popping = cocotb.start_soon(tb.write(Register.EVENT_POP, 1))
    await taken(dut)
    await tb.pulse(event_valid=1, event_code=1, event_page=16)
    await popping
    await tb.expect(Register.EVENT_OVERFLOW, 0)
    for page in range(1, 17):
        await tb.expect(Register.EVENT_PAGE, page)
        await tb.write(Register.EVENT_POP, 1)
    await tb.expect(Register.EVENT_COUNT, 0)


@cocotb.test()
async def every_pulse_is_counted_once(dut: Any) -> None:
    tb = await started(dut)
    counts = dict.fromkeys(PULSES, 0)
    block_bytes = 0
    for _ in range(100):
        inputs = {counter: tb.random.getrandbits(1) for counter in PULSES}
        length = tb.random.randrange(1, 4097)
        for counter in PULSES:
            counts[counter] += inputs[counter]
        block_bytes += length if inputs[Register.CLOSED_LZ4] else 0
        await tb.pulse(**pulses(*(counter for counter in PULSES if inputs[counter])), block_bytes=length)
    for counter, count in counts.items():
        assert await tb.read(counter) == count, counter.name
    await tb.expect(Register.PAGES_CLOSED, sum(counts[counter] for counter in CLOSED))
    await tb.expect(Register.BLOCK_BYTES_LOW, block_bytes)


@cocotb.test()
async def every_cycle_of_load_is_counted_once(dut: Any) -> None:
    tb = await started(dut)
    counts = dict.fromkeys(LOADS, 0)
    for _ in range(100):
        bits = tb.random.getrandbits(len(LOADS))
        for n, register in enumerate(LOADS):
            counts[register] += bits >> n & 1
        await FallingEdge(dut.clk_i)
        dut.load_i.value = bits
    await FallingEdge(dut.clk_i)
    dut.load_i.value = 0
    await tb.cycles(2)
    for register, count in counts.items():
        await tb.expect(register, count)


@cocotb.test()
async def counts_go_on_for_long(dut: Any) -> None:
    """Up to 2^18 - 1, which has all the bits, and beyond."""
    tb = await started(dut)
    length, count = 4093, 0
    for more in ((1 << 18) - 1, 6):
        dut.block_bytes_i.value = length
        dut.count_i.value, dut.timeout_i.value = pulses(*PULSES).values()
        await tb.cycles(1)
        await Timer((more - 2) * PERIOD_NS + PERIOD_NS // 2, "ns")  # to between two edges, without a callback for each
        await tb.cycles(1)
        dut.count_i.value, dut.timeout_i.value = 0, 0
        await tb.cycles(1)
        count += more
        for counter in PULSES:
            assert await tb.read(counter) == count, counter.name
        await tb.expect(Register.PAGES_CLOSED, len(CLOSED) * count)
        await tb.expect(Register.BLOCK_BYTES_LOW, length * count)
    assert count < await tb.read(Register.CYCLES_LOW) < 2 * count
    await tb.expect(Register.CYCLES_HIGH, 0)


@cocotb.test()
async def the_block_is_idle_only_with_nothing_under_way(dut: Any) -> None:
    tb = TB(dut)
    await tb.start()
    await tb.cycles(2)
    expect(dut.idle_o, 1)
    dut.s_axil_awaddr.value = Register.LOW_WATERMARK
    dut.s_axil_awvalid.value = 1
    await tb.cycles(1)
    dut.s_axil_awvalid.value = 0
    await tb.cycles(5)
    expect(dut.idle_o, 0, "an address waits for its data")
    dut.s_axil_wdata.value, dut.s_axil_wstrb.value, dut.s_axil_wvalid.value = 7, 0xF, 1
    await tb.cycles(1)
    dut.s_axil_wvalid.value = 0
    await tb.cycles(5)
    expect(dut.idle_o, 0, "a response waits to be taken")
    dut.free_sectors_i.value = 7
    dut.s_axil_bready.value = 1
    await tb.cycles(3)
    expect(dut.idle_o, 1)
    dut.event_valid_i.value = 1
    await tb.cycles(1)
    dut.event_valid_i.value = 0
    await tb.cycles(2)
    expect(dut.idle_o, 1)
