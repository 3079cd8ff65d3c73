# SPDX-License-Identifier: MIT
"""CRAM as a memory node (docs/vswap/node-mode.md)."""
