# SPDX-License-Identifier: MIT
"""Figures: what the guest's kernel has counted, and the device (docs/cxl.md, "The figures")."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hw.registers import COUNTERS, FIRST_COUNTER, Counters, Register
from sim.base.value import Value

_SHOWN = (Register.RESIDENT_PAGES, Register.FREE_SECTORS, Register.ACHIEVED_RATIO, Register.EVENT_OVERFLOW)
EVENTS = ("general_media", "dram", "memory_module", "generic_event")
NEEDED = ("vmstat.pgpromote_success", "mce", "status", *(f"event.{name}" for name in EVENTS))
"""What a guest has to tell."""


class Figures(Value):
    """What a run has counted.

    Attributes:
        kernel, qemu: their versions.
        demoted, promoted: pages that the kernel moved to the node, and it or the module back.
        bad: pages that were not right; None if the command does not say.
        cycles: of the device's clock.
        ratio: bytes of pages to bytes of media, when the command had most there or at the end.
        events_read: records of the event log that the kernel read.
        machine_checks: loads that the device refused.
        trimmed: pages that were resident until the module trimmed them; the device's counter has the free ones too.
        wall_s: seconds, with fetching and compiling.
        status: how the command ended.
        guest: all that the guest said, by name.
        device: the device's counters, by register.
        shell: what the plugin counted: commands in the mailbox, lines, messages by interrupt line.
    """

    kernel: str
    qemu: str
    demoted: int
    promoted: int
    bad: int | None
    cycles: int
    ratio: float
    events_read: int
    machine_checks: int
    trimmed: int
    wall_s: float
    status: int
    guest: dict[str, int]
    device: dict[str, int]
    shell: dict[str, int | list[int]]

    @classmethod
    def of(cls, kernel: str, qemu: str, told: dict[str, int], counted: dict[str, Any], wall_s: float) -> Figures:
        """From what the guest told, and the plugin's file."""
        words = counted.pop("registers")
        first = FIRST_COUNTER // 4
        device = {register.name.lower(): words[register // 4] for register in _SHOWN}
        device |= asdict(Counters.of(words[first : first + len(COUNTERS)]))
        bad = [value for name, value in told.items() if name.endswith(".bad")]
        return cls(
            kernel=kernel,
            qemu=qemu,
            demoted=sum(value for name, value in told.items() if name.startswith("vmstat.pgdemote_")),
            promoted=told["vmstat.pgpromote_success"] + told.get("provider.promoted", 0),
            bad=sum(bad) if bad else None,
            cycles=counted["cycles"],
            ratio=told.get("ratio", device["achieved_ratio"]) / 1000,
            events_read=sum(told[f"event.{name}"] for name in EVENTS),
            machine_checks=told["mce"],
            trimmed=told.get("provider.given_back", 0),
            wall_s=round(wall_s, 1),
            status=told["status"],
            guest=told,
            device=device,
            shell=counted,
        )


def find_problems(figures: Figures) -> list[str]:
    """What must not be, whatever ran."""
    problems = []
    if figures.bad:
        problems.append(f"{figures.bad:,} bad pages")
    if figures.machine_checks != figures.shell["machine_checks"]:
        problems.append(
            f"the device refused {figures.shell['machine_checks']} loads, the kernel saw {figures.machine_checks}"
        )
    if figures.shell["qemu_commands"]:
        problems.append(f"QEMU was asked for {figures.shell['qemu_commands']} commands that are the device's")
    if figures.shell["pages_missed"]:
        problems.append(f"{figures.shell['pages_missed']} pages whose store was refused are not poison")
    return problems
