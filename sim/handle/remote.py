# SPDX-License-Identifier: MIT
"""The far end of `open_device("cocotb")`: serves the driver's calls inside a simulator."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any

import cocotb
from cocotb.handle import HierarchyObject

from driver import CramDevice
from hw.links.cocotb import CocotbLink
from sim.handle.calls import CHANNEL, READY, Call, Failure


@cocotb.test()
async def serve(dut: HierarchyObject) -> None:
    """Answer calls until the other side hangs up. Simulated time stands still between them."""
    link = await CocotbLink.open(dut)
    connection: Connection[Any, Call] = Connection(int(os.environ[CHANNEL]))
    with connection:
        device = await CramDevice.probe(link)
        connection.send(READY)
        while True:
            try:
                call = connection.recv()
            except EOFError:
                return
            answer: object
            try:
                if call.method == "cycles":
                    answer = link.cycles
                else:
                    answer = await getattr(device, call.method)(*call.arguments)
            except Exception as error:
                answer = Failure.of(error)
            connection.send(answer)
