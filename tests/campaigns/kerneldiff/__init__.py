# SPDX-License-Identifier: MIT
"""The swap model held against running kernels (docs/kerneldiff.md)."""
