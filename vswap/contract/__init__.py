# SPDX-License-Identifier: MIT
"""The contract suite: what a kernel relies on in a swap backend, as checks that any backend can be run through
(docs/contract-suite.md)."""

from vswap.contract.bench import Backend, Bench, Factory
from vswap.contract.checks import CHECKS
from vswap.contract.factory import SuiteError, load_factory, try_factory
from vswap.contract.limit import LIMIT_S
from vswap.contract.registry import Check
from vswap.contract.suite import Outcome, Report, run_check, run_contract

__all__ = [
    "CHECKS",
    "LIMIT_S",
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
    "try_factory",
]
