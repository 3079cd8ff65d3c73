# SPDX-License-Identifier: MIT
"""Tests, mirroring the folders they test."""
