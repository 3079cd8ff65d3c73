# SPDX-License-Identifier: MIT
"""Bench: how fast each way to run the device is, side by side on the same pages (docs/bench.md)."""
