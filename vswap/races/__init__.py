# SPDX-License-Identifier: MIT
"""A search over interleavings of the swap layer's paths (docs/races.md)."""
