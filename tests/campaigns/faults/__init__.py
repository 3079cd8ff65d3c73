# SPDX-License-Identifier: MIT
"""`make faults`: faults of media, memories and resets at random moments of real workloads (docs/faults.md)."""
