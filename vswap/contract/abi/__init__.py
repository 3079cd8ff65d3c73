# SPDX-License-Identifier: MIT
"""Backends of other languages: shared objects with the C ABI of vcram_backend.h (docs/contract-suite.md)."""

from vswap.contract.abi.backend import native_factory
from vswap.contract.abi.library import HEADER, AbiError

__all__ = ["HEADER", "AbiError", "native_factory"]
