"""Tests of the device: `test_*` run under pytest, `bench_*` inside the simulator (cocotb)."""
