# SPDX-License-Identifier: MIT
"""Proofs about the RTL: what is claimed (proofs.py), in Verilog beside it, and how it is run (run.py)."""
