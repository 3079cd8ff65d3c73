# SPDX-License-Identifier: MIT
"""The guest of `vcram cxl --record`: what its kernel's tracepoints say of the pages of one program (docs/cxl.md).

    migrate:set_migration_pte, migrate:remove_migration_pte    a page moves, and where it is afterwards
    exceptions:page_fault_user                                 an access that found no page, or a hint of NUMA balancing
    vcram node START BYTES                                     a mark: which physical addresses are the node's
    vcram begin PID                                            a mark: this is the program
    vcram read ADDRESS, vcram write ADDRESS                    marks of a program that tells its accesses itself

A program that tells its accesses is taken at its word: its faults are none besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hw.link import PAGE_BYTES
from sim.imported.seen import USER_END, Access, BroughtBack, Seen, TakenOut
from sim.trace.file import TraceError

ADVICE = "vcram cxl --record FILE"
_LINE = re.compile(r"\s*\S.*?-(?P<pid>\d+)\s+\[\d+\]\s.*?(?P<time>\d+\.\d+): (?P<event>\w+): (?P<rest>.*)")
_MOVED = re.compile(r"addr=(?:0x)?(?P<addr>[0-9a-f]+),? pte=(?:0x)?(?P<pte>[0-9a-f]+)")
_FAULT = re.compile(r"address=(?:0x)?(?P<addr>[0-9a-f]+)\b.*?error_code=(?:0x)?(?P<code>[0-9a-f]+)")
_PRESENT, _WRITE, _FETCH = 0x1, 0x2, 0x10  # of an x86 page fault's error code
_FRAME = 0x000FFFFFFFFFF000  # of an x86 PTE


@dataclass
class Counts:
    """What the lines have told, beside the accesses.

    Attributes:
        demoted, promoted: pages that went to the node, and came back from it.
        faults: of the program, as the kernel has them.
        hint_faults: those of them that found a page that was there and closed.
    """

    demoted: int = 0
    promoted: int = 0
    faults: int = 0
    hint_faults: int = 0
    there: set[int] = field(default_factory=set, repr=False)


def read(lines: Iterable[str], name: str, counts: Counts | None = None) -> Iterator[Seen]:
    """What the lines tell. Raises TraceError: no node or no program is named in them, or a line was lost.

    Args:
        name: of the file, for messages.
        counts: is counted up.
    """
    counts = counts if counts is not None else Counts()
    told = [found for line in lines if (found := _LINE.match(line)) is not None]
    marks = [line["rest"].split() for line in told if line["event"] == "tracing_mark_write"]
    node = next((words[2:] for words in marks if words[:2] == ["vcram", "node"]), None)
    program = next((int(words[2]) for words in marks if words[:2] == ["vcram", "begin"]), None)
    if node is None or program is None:
        raise TraceError(f"{name}: names neither node nor program; make it with {ADVICE}")
    start, size = (int(word, 0) for word in node)
    tells = any(words[1] in ("read", "write") for words in marks if words[0] == "vcram")
    begun = False
    for line in told:
        seconds, _, fraction = line["time"].partition(".")
        time_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
        rest, words = line["rest"], line["rest"].split()
        if line["event"] == "tracing_mark_write" and words[:1] == ["vcram"]:
            begun |= words[1] == "begin"
            if words[1] in ("read", "write"):
                yield Access(program, int(words[2], 16) // PAGE_BYTES, words[1] == "write", time_ns)
        elif begun and line["event"] == "page_fault_user" and int(line["pid"]) == program:
            fault = _FAULT.search(rest)
            if fault is None:
                raise TraceError(f"{name}: a fault without address and error code: {rest}")
            code, address = int(fault["code"], 16), int(fault["addr"], 16)
            counts.faults += 1
            counts.hint_faults += code & _PRESENT and not code & _WRITE
            if not tells and not code & _FETCH and address < USER_END:
                yield Access(program, address // PAGE_BYTES, bool(code & _WRITE), time_ns)
        elif begun and line["event"] == "remove_migration_pte" and (moved := _MOVED.search(rest)) is not None:
            page = int(moved["addr"], 16) // PAGE_BYTES
            there = start <= int(moved["pte"], 16) & _FRAME < start + size
            if there and page not in counts.there:
                counts.demoted += 1
                counts.there.add(page)
                yield TakenOut(program, page, time_ns)
            elif not there and page in counts.there:
                counts.promoted += 1
                counts.there.remove(page)
                yield BroughtBack(program, page, time_ns)
