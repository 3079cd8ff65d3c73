# SPDX-License-Identifier: MIT
"""The host's driver of the compressed-RAM device: `from driver import CramDevice` (docs/driver.md)."""

from driver.cxl import Background, CxlCommands, EventRecord, Health
from driver.device import CramDevice
from driver.errors import (
    AccessRefused,
    AddressOutOfRange,
    AdmissionClosed,
    BlockRefused,
    CramError,
    DeviceFull,
    DeviceLost,
    DeviceNotFound,
    DeviceReset,
    DeviceTimeout,
    MailboxError,
    PageFenced,
    PagePoisoned,
    UnexpectedResponse,
)
from driver.provider import Provider, TrimAnswer
from driver.values import Capacity, Counters, DeviceEvent, Geometry, Identity, LoadCounters, PageInfo, Pressure
from hw.codes import EventCode, EventLog, Interrupt, Opcode, PageState, PoisonSource, ReturnCode

__all__ = [
    "AccessRefused",
    "AddressOutOfRange",
    "AdmissionClosed",
    "Background",
    "BlockRefused",
    "Capacity",
    "Counters",
    "CramDevice",
    "CramError",
    "CxlCommands",
    "DeviceEvent",
    "DeviceFull",
    "DeviceLost",
    "DeviceNotFound",
    "DeviceReset",
    "DeviceTimeout",
    "EventCode",
    "EventLog",
    "EventRecord",
    "Geometry",
    "Health",
    "Identity",
    "Interrupt",
    "LoadCounters",
    "MailboxError",
    "Opcode",
    "PageFenced",
    "PageInfo",
    "PagePoisoned",
    "PageState",
    "PoisonSource",
    "Pressure",
    "Provider",
    "ReturnCode",
    "TrimAnswer",
    "UnexpectedResponse",
]
