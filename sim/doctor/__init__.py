# SPDX-License-Identifier: MIT
"""Doctor: what this machine has of all that the project can use."""

from __future__ import annotations

from sim.doctor.examine import Finding, examine, healthy
from sim.doctor.parts import PARTS, Part

__all__ = ["PARTS", "Finding", "Part", "examine", "healthy"]
