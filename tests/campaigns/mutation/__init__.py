# SPDX-License-Identifier: MIT
"""Mutation: faults put into the RTL by Yosys, one at a time, and whether the tests notice (docs/mutants.md)."""
