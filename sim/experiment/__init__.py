# SPDX-License-Identifier: MIT
"""Experiments that answer the open questions, with their tables, plots and verdicts (docs/experiments.md)."""
