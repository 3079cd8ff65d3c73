# SPDX-License-Identifier: MIT
"""Get Health Info of mailbox_replies alone, for every count and state; run by test_mailbox.py."""

from __future__ import annotations

import random
import struct
from typing import Any

import cocotb
from cocotb.triggers import Timer

from hw.codes import Opcode


@cocotb.test()
async def health_tells_retired_sectors_and_errors_above_the_threshold(dut: Any) -> None:
    """Maintenance is needed with the first sector; the warning comes with the first error above the threshold."""
    source = random.Random(cocotb.RANDOM_SEED)
    dut.opcode_i.value = Opcode.GET_HEALTH_INFO
    dut.valid_i.value = 1
    counts = [0, 1, 2, 99, 100, 101, 0xFFFF, 0x10000, 0xFFFFFFFF]
    cases = [(retired, corrected) for retired in (0, 1, 1 << 31) for corrected in counts]
    for retired, corrected in cases:
        for threshold in (0, 1, 100, 0xFFFF):
            enabled, low, critical = (source.getrandbits(1) for _ in range(3))
            dut.retired_i.value, dut.corrected_i.value = retired, corrected
            dut.alert_enable_i.value, dut.alert_threshold_i.value = enabled, threshold
            dut.low_i.value, dut.critical_i.value = low, critical
            reply = b""
            for index in range(2):
                dut.index_i.value = index
                await Timer(1, "ns")
                reply += int(dut.piece_o.value).to_bytes(16, "little")
            warned = enabled and corrected > threshold
            status = (retired > 0) | low << 1 | critical << 3
            expected = struct.pack("<BBBBHIII", status, 0, warned << 4, 0xFF, 0x7FFF, 0, corrected, 0)
            assert reply[:18] == expected, (retired, corrected, threshold, enabled)
