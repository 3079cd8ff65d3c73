# SPDX-License-Identifier: MIT
"""These tests, too, are coroutines on a machine of their own."""

from __future__ import annotations

from tests.vswap.conftest import pytest_pyfunc_call, seed, tb, way

__all__ = ["pytest_pyfunc_call", "seed", "tb", "way"]
