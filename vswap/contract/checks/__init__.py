# SPDX-License-Identifier: MIT
"""The checks, chapter by chapter. Importing them registers them: CHECKS has them all."""

from vswap.contract.checks import accounting, capacity, concurrency, data, errors, lifetime, machine, writeback
from vswap.contract.registry import CHECKS

__all__ = ["CHECKS", "accounting", "capacity", "concurrency", "data", "errors", "lifetime", "machine", "writeback"]
