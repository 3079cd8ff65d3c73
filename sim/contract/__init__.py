# SPDX-License-Identifier: MIT
"""`vcram contract`."""
