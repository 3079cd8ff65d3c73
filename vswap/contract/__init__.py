# SPDX-License-Identifier: MIT
"""The contract suite: what a kernel relies on in a swap backend, as checks that any backend can be run through
(docs/contract-suite.md)."""

from vswap.contract.bench import Backend, Bench, Factory, SuiteError, load_factory
from vswap.contract.checks import CHECKS
from vswap.contract.registry import Check
from vswap.contract.suite import Outcome, Report, run_check, run_contract

__all__ = [
    "CHECKS",
    "Backend",
    "Bench",
    "Check",
    "Factory",
    "Outcome",
    "Report",
    "SuiteError",
    "load_factory",
    "run_check",
    "run_contract",
]
