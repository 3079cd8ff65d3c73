# SPDX-License-Identifier: MIT
"""What can go wrong between a host and the device."""
# ruff: noqa: N818 - an error is named after the condition

from __future__ import annotations

from hw.codes import EventCode, Opcode, ReturnCode


class CramError(Exception):
    """Base of every error that the driver raises."""


class DeviceNotFound(CramError):
    """What answers on the link is not a device that this driver knows."""


class DeviceLost(CramError):
    """The link failed: the device or its simulator is gone. Nothing on it can be reached any more."""


class DeviceReset(DeviceLost):
    """The device was reset and has forgotten everything. Probe it again; this driver object cannot be used any more."""


class DeviceTimeout(CramError):
    """The device did not finish in time."""


class AddressOutOfRange(CramError):
    """A page, or a line of a page, that the device does not have."""


class UnexpectedResponse(CramError):
    """A bus error for which docs/device.md gives no reason."""


class PagePoisoned(CramError):
    """The page's content is lost; it stays poison until it is trimmed.

    Attributes:
        page: the page.
        cause: the event that made it poison, None when its event was not seen (the log overflowed).
    """

    def __init__(self, page: int, cause: EventCode | None = None) -> None:
        super().__init__(f"page {page} is poison ({cause.name if cause else 'cause unknown'})")
        self.page = page
        self.cause = cause


class AccessRefused(CramError):
    """The device refused an access, and a second try, though the page is neither poison nor fenced: its media does not
    answer, or the page that had to make way could not be stored. The page is as it was; later it may go through.

    Attributes:
        page: the page.
        cause: the event that told why, None when there was none.
    """

    def __init__(self, page: int, cause: EventCode | None = None) -> None:
        super().__init__(f"an access to page {page} was refused ({cause.name if cause else 'cause unknown'})")
        self.page = page
        self.cause = cause


class DeviceFull(CramError):
    """The device had no sectors for a store. Lines that it refused are as they were; keep the data elsewhere.

    Attributes:
        page: the page.
    """

    def __init__(self, page: int) -> None:
        super().__init__(f"no sectors left to store page {page}")
        self.page = page


class AdmissionClosed(DeviceFull):
    """The device is critically low and took no new page, or an import found no room. The page is as it was: free, or
    after an import what was stored. Keep the data elsewhere.

    Attributes:
        page: the page.
    """


class PageFenced(CramError):
    """The page is fenced: a write to it was refused, its content is as it was.

    Attributes:
        page: the page.
    """

    def __init__(self, page: int) -> None:
        super().__init__(f"page {page} is fenced against writes")
        self.page = page


class BlockRefused(CramError):
    """An imported block is malformed, or does not match the CRC given with it. The page is as it was.

    Attributes:
        page: the page that the block was for.
    """

    def __init__(self, page: int) -> None:
        super().__init__(f"the block for page {page} is malformed, or its CRC does not match")
        self.page = page


class MailboxError(CramError):
    """A mailbox command was refused.

    Attributes:
        return_code: the device's answer; a plain int if docs/device/mailbox.md does not name it.
        opcode: the command.
    """

    def __init__(self, return_code: int, opcode: int) -> None:
        super().__init__(f"mailbox command {_name(Opcode, opcode)} answered {_name(ReturnCode, return_code)}")
        self.return_code = return_code
        self.opcode = opcode


def _name(kind: type[Opcode | ReturnCode], value: int) -> str:
    try:
        return kind(value).name
    except ValueError:
        return f"0x{value:x}"
