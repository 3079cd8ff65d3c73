# SPDX-License-Identifier: MIT
"""Record orders.trace anew: `python -m sim.data.record [FILE]`, as root, on Debian 12.

The program runs with a fixed environment, from standard input and in `/`, so that nothing of the machine it was
recorded on is in its pages; the result is searched for that all the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from sim.capture import CaptureError, CaptureResult, capture
from sim.data import ORDERS_TRACE
from sim.trace.file import Trace
from sim.trace.reuse import reuse
from sim.trace.scrub import ENVIRONMENT, machine_words, this_machine

COMMAND = ("/usr/bin/python3", "-I", "-S", "-")
WINDOW = 960
LIMIT_BYTES = 2 << 20


def record(output: Path) -> CaptureResult:
    """Record orders.py into `output`. Raises CaptureError."""
    standard_input, folder = os.dup(0), Path.cwd()
    program = os.open(Path(__file__).with_name("orders.py"), os.O_RDONLY)
    try:
        os.dup2(program, 0)
        os.chdir("/")
        return capture(COMMAND, output, window=WINDOW, env=ENVIRONMENT)
    finally:
        os.chdir(folder)
        os.dup2(standard_input, 0)
        os.close(standard_input)
        os.close(program)


def manifest(path: Path, trace: Trace) -> str:
    """What orders.toml says of the trace file, in TOML."""
    header = trace.header
    limit = header.pages // 4
    asked = reuse(trace, limit)
    lines = {
        "program": f"{' '.join(COMMAND)} < sim/data/orders.py",
        "recorded_by": "python -m sim.data.record",
        "date": header.date,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "file_bytes": path.stat().st_size,
        "window": header.window,
        "events": header.events,
        "contents": header.contents,
        "pages": header.pages,
        "spaces": header.spaces,
    }
    text = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in lines.items())
    text += "\n# what it asks for at a DRAM limit of a quarter of its pages, by sim/trace/reuse.py\n[reuse]\n"
    return text + "".join(f"{key} = {value}\n" for key, value in vars(asked).items())


def main() -> None:
    """Record, check, and write the manifest beside the trace."""
    output = (Path(sys.argv[1]) if len(sys.argv) > 1 else ORDERS_TRACE).absolute()
    try:
        result = record(output)
    except CaptureError as error:
        sys.exit(f"record: {error}")
    if result.exit_status or not result.trace.header.complete:
        sys.exit(f"record: {output}: not a whole run (exit status {result.exit_status})")
    if words := machine_words(result.trace.contents.tobytes(), this_machine()):
        sys.exit(f"record: {output}: tells of this machine: {', '.join(words)}")
    if result.file_bytes > LIMIT_BYTES:
        sys.exit(f"record: {output}: {result.file_bytes} bytes are more than {LIMIT_BYTES}")
    text = manifest(output, result.trace)
    output.with_suffix(".toml").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
