# SPDX-License-Identifier: MIT
"""The simulation: machines, workloads, traces, reports and the command line. `from sim import open_device`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.handle.facade import DeviceHandle, open_device

__all__ = ["DeviceHandle", "open_device"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the program `vcram` begins here, and must be able to end at once."""
    if name in __all__:
        from sim.handle import facade

        return getattr(facade, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
