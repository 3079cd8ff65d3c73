# SPDX-License-Identifier: MIT
"""Tests of the device: `test_*` run under pytest, `bench_*` inside the simulator (cocotb)."""

import warnings

# cocotbext-axi 0.1.28 calls what cocotb 2.1 deprecates; it is the end of every log, where a failure should stand
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.")
