# SPDX-License-Identifier: MIT
"""perf: page faults, as `perf script` and `perf trace` print them (docs/trace.md, "Traces from running kernels").

Faults are accesses that found no page, or no right to write to it: the first touch, and each return of a page that the
kernel had taken away (a swap-in is a major fault). All other accesses do not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sim.imported.seen import USER_END, Access, Exited, Forked, Seen
from sim.trace.file import TraceError

ADVICE = "perf script --show-task-events -F comm,pid,tid,time,event,trace"
"""What prints a tracepoint's faults as they are read here; for counted faults `addr` stands for `trace`."""
_LINE = re.compile(
    r"\s*\S.*?\s+(?P<pid>-?\d+)(?:/-?\d+)?\s+(?:\[\d+\]\s+)?(?P<time>\d+\.\d+):\s+(?:\d+\s+)?(?P<event>[\w-][\w:-]*?)"
    r"(?::\s+|(?=\()|\s+)(?P<rest>.*)"
)
_TRACE_LINE = re.compile(
    r"\s*(?P<ms>\d+\.\d+) \(.*?\): \S.*/(?P<pid>\d+) (?:min|maj)fault \[.*?\] => "
    r"(?P<where>.*?)@?0x(?P<addr>[0-9a-f]+) \("
)
_FAULT = re.compile(r"address=(?:0x)?(?P<addr>[0-9a-f]+)\b.*?error_code=(?:0x)?(?P<code>[0-9a-f]+)")
_TASKS = re.compile(r"\((?P<pid>-?\d+):(?P<tid>-?\d+)\):\((?P<parent>-?\d+):-?\d+\)")
_ANONYMOUS = re.compile(r"//anon|\[(heap|stack|anon:.*)\]")
_COUNTED = ("page-faults", "minor-faults", "major-faults", "faults")
_WRITE, _FETCH = 0x2, 0x10  # of an x86 page fault's error code


def read(lines: Iterable[str], name: str) -> Iterator[Seen]:
    """What the lines tell. Raises TraceError: a fault without its address; it names the line and the remedy.

    Args:
        name: of the file, for messages.
    """
    for number, line in enumerate(lines, 1):
        if (told := _TRACE_LINE.match(line)) is not None:
            if _ANONYMOUS.fullmatch(told["where"]):
                yield Access(int(told["pid"]), int(told["addr"], 16) >> 12, None, round(float(told["ms"]) * 1e6))
            continue
        found = _LINE.match(line)
        if found is None:
            continue
        seconds, _, fraction = found["time"].partition(".")
        time_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
        event, rest, space = found["event"], found["rest"], int(found["pid"])
        if event.startswith("PERF_RECORD_"):
            yield from _task(event, rest, space, time_ns)
        elif event in ("exceptions:page_fault_user", "exceptions:page_fault_kernel"):
            fault = _FAULT.search(rest)
            if fault is None:
                raise TraceError(
                    f"{name}, line {number}: a fault without address and error code; make it with {ADVICE}"
                )
            code, address = int(fault["code"], 16), int(fault["addr"], 16)
            if not code & _FETCH and address < USER_END:
                yield Access(space, address >> 12, bool(code & _WRITE), time_ns)
        elif event.rstrip(":ukhp") in _COUNTED:
            address = _address(rest, f"{name}, line {number}")
            if address < USER_END:
                yield Access(space, address >> 12, None, time_ns)


def _address(rest: str, where: str) -> int:
    """The address that was touched: the first number where there is none but it, or an instruction's behind it."""
    words = re.sub(r"\(.*?\)", "", rest).split()
    numbers = [word for word in words if re.fullmatch(r"(0x)?[0-9a-f]{4,16}", word)]
    if not words or words[0] not in numbers or (len(words) > 1 and len(numbers) < 2):
        raise TraceError(
            f"{where}: a fault without its address (perf prints the instruction's by default); record with perf record "
            f"-d, and print with {ADVICE.replace('trace', 'addr')}"
        )
    return int(words[0], 16)


def _task(event: str, rest: str, space: int, time_ns: int) -> Iterator[Seen]:
    tasks = _TASKS.match(rest)
    if event == "PERF_RECORD_COMM" and rest.startswith("exec"):
        yield Exited(space, time_ns)
    elif tasks is not None and event == "PERF_RECORD_FORK" and tasks["pid"] != tasks["parent"]:
        yield Forked(int(tasks["parent"]), int(tasks["pid"]), time_ns)
    elif tasks is not None and event == "PERF_RECORD_EXIT" and tasks["pid"] == tasks["tid"]:
        yield Exited(int(tasks["pid"]), time_ns)
