# SPDX-License-Identifier: MIT
"""What the host sets by mailbox commands of the model device: the alert, the event interrupt policy, the time."""

from __future__ import annotations

import struct
from collections.abc import Callable

from hw.codes import EventLog, Interrupt
from hw.links.model_cxl import CORRECTED_ERRORS_ALERT
from hw.links.model_signals import Signals

_WRAP = 1 << 64


class HostSettings:
    """The settings; what is illegal raises ValueError and changes nothing.

    Args:
        nanoseconds: time since reset.

    Attributes:
        alert_enabled: the alert on corrected errors is on.
        alert_threshold: it warns above so many.
    """

    def __init__(self, signals: Signals, nanoseconds: Callable[[], int]) -> None:
        self.alert_enabled = False
        self.alert_threshold = 0
        self._signals = signals
        self._nanoseconds = nanoseconds
        self._policy = dict.fromkeys(EventLog, False)  # of empty logs: nothing ever raises their interrupt
        self._offset: int | None = None  # of the time that was set, from the device's own

    def set_alerts(self, data: bytes) -> None:
        """Input of Set Alert Configuration."""
        valid, enable, threshold = struct.unpack("<BB6xH2x", data)
        if valid & ~CORRECTED_ERRORS_ALERT:
            raise ValueError("only the alert on corrected errors can be programmed")
        if valid:
            self.alert_enabled = bool(enable & CORRECTED_ERRORS_ALERT)
            self.alert_threshold = threshold

    def policy(self) -> bytes:
        """Reply of Get Event Interrupt Policy. The failure log's is the enable of the interrupt EVENT."""
        policy = self._policy | {EventLog.FAILURE: bool(self._signals.enable & Interrupt.EVENT.mask)}
        return bytes(Interrupt.EVENT << 4 | policy[log] for log in EventLog)

    def set_policy(self, data: bytes) -> None:
        """Input of Set Event Interrupt Policy."""
        if any(setting & 0b1110 for setting in data[:4]):
            raise ValueError("an event log has the interrupt EVENT or none")
        self._policy = {log: bool(data[log] & 1) for log in EventLog}
        mask = Interrupt.EVENT.mask
        self._signals.set_enable(self._signals.enable & ~mask | (mask if self._policy[EventLog.FAILURE] else 0))

    def time(self) -> int:
        """Nanoseconds since 1970; 0 if the time was never set."""
        return 0 if self._offset is None else (self._nanoseconds() + self._offset) % _WRAP

    def set_time(self, data: bytes) -> None:
        """Input of Set Timestamp."""
        self._offset = int.from_bytes(data, "little") - self._nanoseconds()
