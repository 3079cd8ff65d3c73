"""The far end of `open_device("cocotb")`: serves the driver's calls inside a simulator."""

from __future__ import annotations

import os
from multiprocessing.connection import Client

import cocotb
from cocotb.handle import HierarchyObject

from driver import CramDevice
from hw.links.cocotb import CocotbLink


@cocotb.test()
async def serve(dut: HierarchyObject) -> None:
    """Answer calls until the other side hangs up. Simulated time stands still between them."""
    link = await CocotbLink.open(dut)
    with Client(os.environ["VCRAM_SOCKET"], authkey=bytes.fromhex(os.environ["VCRAM_KEY"])) as connection:
        device = await CramDevice.probe(link)
        while True:
            try:
                method, arguments = connection.recv()
            except EOFError:
                return
            error: tuple[type[Exception], str, dict[str, object]] | None = None
            result: object = None
            try:
                result = link.cycles if method == "cycles" else await getattr(device, method)(*arguments)
            except Exception as raised:
                # exceptions with arguments of their own do not survive pickling: take them apart
                error = (type(raised), str(raised), raised.__dict__)
            connection.send((error, result))
