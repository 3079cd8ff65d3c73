# SPDX-License-Identifier: MIT
"""The simulation: machines, workloads, traces, reports and the command line. `from sim import open_device`."""

from sim.handle.facade import DeviceHandle, open_device

__all__ = ["DeviceHandle", "open_device"]
