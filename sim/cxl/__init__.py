# SPDX-License-Identifier: MIT
"""CXL: a Linux guest whose own CXL drivers use the RTL as a memory node (docs/cxl.md)."""

from sim.cxl.figures import Figures, find_problems
from sim.cxl.machine import CxlError, Machine, Outcome, device_library, run_guest

__all__ = ["CxlError", "Figures", "Machine", "Outcome", "device_library", "find_problems", "run_guest"]
