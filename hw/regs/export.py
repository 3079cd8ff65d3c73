# SPDX-License-Identifier: MIT
"""What PeakRDL's exporters make of cram.rdl, for those who ask for it: `make regs` installs and runs them.

They are run as programs: the register map as HTML, a C header, a UVM model and IP-XACT, under build/regs/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hw.places import results_folder
from hw.regs.codes import MapError
from hw.regs.model import SOURCE

EXPORTS: Mapping[str, Sequence[str]] = {
    "html": ("html", "--title", "vcram registers"),
    "cram.h": ("c-header",),
    "cram_uvm.sv": ("uvm", "--file-type", "package"),
    "cram.xml": ("ip-xact", "--vendor", "vcram", "--library", "hw"),
}
"""What is written, and the exporter with its options."""


def export(folder: Path, program: Path | None = None) -> list[Path]:
    """Run every exporter; the files and folders written.

    Args:
        folder: where to write.
        program: `peakrdl`; by default the one beside this Python.

    Raises:
        MapError: it is missing, has failed, or warns of something in cram.rdl.
    """
    program = program or Path(sys.executable).parent / "peakrdl"
    if not program.exists():
        raise MapError(f"{program} is missing: pip install --require-hashes -r requirements/regs.txt")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (exporter, *options) in EXPORTS.items():
        argv = [str(program), exporter, str(SOURCE), *options, "-o", str(folder / name)]
        answer = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = [line for line in answer.stdout.splitlines() if "warning:" in line or "error:" in line]
        if said or answer.returncode or not (folder / name).exists():
            what = said[0] if said else f"it ended with {answer.returncode}: {answer.stdout.strip()[-200:]}"
            raise MapError(f"peakrdl {exporter}: {what}")
    return [folder / name for name in EXPORTS]


def main() -> int:
    """Export and name what was written."""
    try:
        for path in export(results_folder("regs")):
            print(f"wrote {path}")
    except MapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
