"""The host's driver of the compressed-RAM device: `from driver import CramDevice` (docs/driver.md)."""

from driver.device import CramDevice
from driver.errors import (
    AddressOutOfRange,
    AdmissionClosed,
    CramError,
    DeviceFull,
    DeviceLost,
    DeviceNotFound,
    DeviceTimeout,
    MailboxError,
    PagePoisoned,
    UnexpectedResponse,
)
from driver.values import Capacity, Counters, DeviceEvent, Geometry, Identity, PageInfo, Pressure
from hw.codes import EventCode, Interrupt, Opcode, PageState, ReturnCode

__all__ = [
    "AddressOutOfRange",
    "AdmissionClosed",
    "Capacity",
    "Counters",
    "CramDevice",
    "CramError",
    "DeviceEvent",
    "DeviceFull",
    "DeviceLost",
    "DeviceNotFound",
    "DeviceTimeout",
    "EventCode",
    "Geometry",
    "Identity",
    "Interrupt",
    "MailboxError",
    "Opcode",
    "PageInfo",
    "PagePoisoned",
    "PageState",
    "Pressure",
    "ReturnCode",
    "UnexpectedResponse",
]
