# SPDX-License-Identifier: MIT
"""cocotb tests of heat_tracker; run by test_heat_tracker.py. The rule is docs/device/hot-pages.md, in a dict."""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.hw.expect import expect

PAGES = int(os.environ["PAGES"])
RING = 64


async def started(dut: Any) -> random.Random:
    """Quiet inputs, a reset, and the sweep behind it."""
    for name in ("access", "access_page", "forget", "forget_page", "threshold", "period", "pop"):
        getattr(dut, f"{name}_i").value = 0
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 2, unit="ns").start()
    for _ in range(3):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(PAGES + 2):
        await RisingEdge(dut.clk_i)
    return random.Random(cocotb.RANDOM_SEED)


@cocotb.test()
async def accesses_and_trims_as_dense_as_they_come_follow_the_rule(dut: Any) -> None:
    """An access every second cycle at most, a trim every third at most, pops at any time; few pages, short periods."""
    source = await started(dut)
    for threshold, period, pages in [(3, 0, 4), (5, 17, 6), (255, 0, 1), (1, 3, 64), (9, 100, 3), (0, 5, 2)]:
        dut.rst_ni.value = 0
        await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        dut.threshold_i.value, dut.period_i.value = threshold, period
        for _ in range(PAGES + 2):
            await RisingEdge(dut.clk_i)
        heat = dict.fromkeys(range(PAGES), 0)
        ring: deque[int] = deque()
        accesses = overflow = nominated = rose = 0
        quiet_access = quiet_forget = 9
        settle = 3
        patience = max(1, threshold) ** 2  # a page must have time to grow hot
        for cycle in range(1500 + settle):
            access = cycle < 1500 and quiet_access >= 1 and source.random() < 0.8
            forget = cycle < 1500 and quiet_forget >= 2 and source.random() < 0.4 / patience
            pop = cycle < 1500 and quiet_access >= 1 and source.random() < 0.01
            quiet_access = 0 if access else quiet_access + 1
            quiet_forget = 0 if forget else quiet_forget + 1
            page, cold = source.randrange(pages), source.randrange(pages)
            if access and forget and page == cold:
                forget = False  # in the same cycle there is no order
            dut.access_i.value, dut.access_page_i.value = access, page
            dut.forget_i.value, dut.forget_page_i.value = forget, cold
            dut.pop_i.value = pop
            if pop and ring:
                expect(dut.page_o, ring.popleft())
            if forget:
                heat[cold] = 0
            if access:
                before = heat[page]
                heat[page] = min(255, before + 1)
                if threshold and before < threshold <= heat[page]:
                    if len(ring) < RING:
                        ring.append(page)
                        nominated += 1
                    else:
                        overflow += 1
                accesses += 1
                if period and accesses % period == 0:
                    heat = {number: value // 2 for number, value in heat.items()}
            await RisingEdge(dut.clk_i)
            rose += int(dut.nominated_o.value)
        expect(dut.busy_o, 0)
        expect(dut.count_o, len(ring))
        expect(dut.overflow_o, overflow)
        assert rose == nominated
        assert (nominated > 0) == (threshold > 0)
        while ring:
            expect(dut.page_o, ring.popleft())
            dut.pop_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.pop_i.value = 0
            await RisingEdge(dut.clk_i)
        expect(dut.count_o, 0)
        expect(dut.page_o, 0)


async def access(dut: Any, page: int) -> None:
    """One access, taken and counted."""
    dut.access_i.value, dut.access_page_i.value = 1, page
    await RisingEdge(dut.clk_i)
    dut.access_i.value = 0
    await RisingEdge(dut.clk_i)


async def settled(dut: Any) -> None:
    """Wait until nothing is under way: what an access leads to can be seen."""
    await RisingEdge(dut.clk_i)
    while dut.busy_o.value:
        await RisingEdge(dut.clk_i)


@cocotb.test()
async def every_page_can_be_as_hot_as_255_and_no_hotter(dut: Any) -> None:
    """Each is nominated once, when it gets there, or dropped and counted if the ring is full."""
    await started(dut)
    dut.threshold_i.value = 255
    for page in range(PAGES):
        for _ in range(254):
            await access(dut, page)
        expect(dut.count_o, min(RING, page))
        for _ in range(3):
            await access(dut, page)
        await settled(dut)
        expect(dut.count_o, min(RING, page + 1))
    dropped = max(0, PAGES - RING)
    expect(dut.overflow_o, dropped)
    dut.forget_i.value, dut.forget_page_i.value = 1, 9
    await RisingEdge(dut.clk_i)
    dut.forget_i.value = 0
    for _ in range(257):
        await access(dut, 9)
    await settled(dut)
    expect(dut.count_o, RING)
    expect(dut.overflow_o, dropped + 1)
    for page in range(RING):
        expect(dut.page_o, page)
        dut.pop_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.pop_i.value = 0
        await RisingEdge(dut.clk_i)


@cocotb.test()
async def with_a_period_of_one_an_access_halves_all_before_it(dut: Any) -> None:
    """A page that is read again at once keeps half its heat and one more; whatever the number of the period is."""
    source = await started(dut)
    dut.period_i.value, dut.threshold_i.value = 1, 2
    for _ in range(1500):
        await access(dut, source.randrange(PAGES))
    await settled(dut)
    expect(dut.count_o, 0, "a page is never hotter than 1")
    expect(dut.overflow_o, 0, "a page is never hotter than 1")
