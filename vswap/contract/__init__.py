# SPDX-License-Identifier: MIT
"""The contract suite: what a kernel relies on in a swap backend, as checks that any backend can be run through
(docs/contract-suite.md)."""

from vswap.contract.abi import AbiError
from vswap.contract.bench import Backend, Bench, Factory
from vswap.contract.checks import CHECKS
from vswap.contract.factory import SuiteError, load_factory, try_factory
from vswap.contract.junit import junit
from vswap.contract.limit import LIMIT_S
from vswap.contract.registry import Check
from vswap.contract.suite import ENVIRONMENT, LINKS, Outcome, Report, chosen, run_check, run_contract

__all__ = [
    "CHECKS",
    "ENVIRONMENT",
    "LIMIT_S",
    "LINKS",
    "AbiError",
    "Backend",
    "Bench",
    "Check",
    "Factory",
    "Outcome",
    "Report",
    "SuiteError",
    "chosen",
    "junit",
    "load_factory",
    "run_check",
    "run_contract",
    "try_factory",
]
