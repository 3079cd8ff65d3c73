# SPDX-License-Identifier: MIT
"""The emulated machine: the device's RTL, the links that reach it, and time."""
