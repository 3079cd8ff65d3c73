# SPDX-License-Identifier: MIT
"""The mailbox follows docs/device/mailbox.md, and has an answer to every misuse, under both simulators."""

from __future__ import annotations

import struct

import pytest

from hw.build import build
from hw.links import model_cxl
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.hw.test_registers import SETTINGS, register_block
from tests.marks import VERIFY

PAGES = 64


@pytest.mark.parametrize("bench", ["protocol", "pages", "reports", "host"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_mailbox(simulator: Simulator, bench: str) -> None:
    """The rules are in bench_mailbox_*.py."""
    simulate(register_block(simulator), f"tests.hw.bench_mailbox_{bench}", environment=SETTINGS, timeout_s=600)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_health_of_every_count(simulator: Simulator) -> None:
    simulate(build("mailbox_replies", simulator), "tests.hw.bench_mailbox_health", timeout_s=120)


@pytest.mark.parametrize(("retired", "warned"), [(0, False), (1, False), (0, True), (7, True)])
def test_the_models_health_has_the_same_bits(retired: int, warned: bool) -> None:
    reply = model_cxl.health(retired != 0, True, False, warned, 0x01020304)
    assert reply == struct.pack("<BBBBHIII", 2 | (retired > 0), 0, warned << 4, 0xFF, 0x7FFF, 0, 0x01020304, 0)


@VERIFY
@pytest.mark.parametrize("bench", ["protocol", "pages", "reports", "host"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_mailbox_of_the_default_device(simulator: Simulator, bench: str) -> None:
    rtl = build("cram_registers", simulator, {"PERCEIVED_PAGES": PAGES})
    simulate(rtl, f"tests.hw.bench_mailbox_{bench}", environment={"PERCEIVED_PAGES": str(PAGES)}, timeout_s=600)


@VERIFY
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_identify_of_a_large_device(simulator: Simulator) -> None:
    """2^24 pages are 256 units of 256 MiB; the capacity is not lost to a narrow constant."""
    pages = 1 << 24
    rtl = build("cram_registers", simulator, {"PERCEIVED_PAGES": pages})
    for bench, case in [
        ("host", "identify_has_the_67_bytes_of_cxl"),
        ("protocol", "a_dpa_must_be_a_perceived_page"),
    ]:
        settings = {"PERCEIVED_PAGES": str(pages)}
        simulate(rtl, f"tests.hw.bench_mailbox_{bench}", testcase=case, environment=settings, timeout_s=120)


@VERIFY
@pytest.mark.parametrize(
    ("bench", "case"),
    [
        ("reports", "the_poison_list_goes_on_where_it_was_cut_off"),
        ("pages", "sanitize_trims_every_page_behind_the_commands"),
    ],
)
def test_many_pages(bench: str, case: str) -> None:
    """1024 pages: those that are poison do not fit one reply, and a sanitize has steps of less than one per cent."""
    rtl = build("cram_registers", "verilator", {"PERCEIVED_PAGES": 1024})
    settings = {"PERCEIVED_PAGES": "1024"}
    simulate(rtl, f"tests.hw.bench_mailbox_{bench}", testcase=case, environment=settings, timeout_s=120)
