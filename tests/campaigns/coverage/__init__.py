# SPDX-License-Identifier: MIT
"""Coverage of the RTL: what the tests reach, and the holes with their reasons (docs/coverage.md)."""
