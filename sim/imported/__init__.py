# SPDX-License-Identifier: MIT
"""Traces of accesses that another tool has seen on a running kernel: perf's page faults, DAMON's regions. They have no
contents; these are drawn from a corpus."""
