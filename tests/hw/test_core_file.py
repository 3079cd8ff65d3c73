# SPDX-License-Identifier: MIT
"""Others can take the RTL as a FuseSoC core: hw/vcram.core names all of it and builds with another project's tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from hw.sources import ROOT, RTL

CORE = ROOT / "hw" / "vcram.core"


def test_the_core_names_every_file_of_the_rtl() -> None:
    filesets = yaml.safe_load(CORE.read_text())["filesets"].values()
    named = [next(iter(file)) if isinstance(file, dict) else file for fileset in filesets for file in fileset["files"]]
    there = [f"rtl/{path.name}" for path in RTL.iterdir() if path.suffix in (".v", ".vh", ".vlt")]
    assert sorted(named) == sorted(there), "list new files of hw/rtl in hw/vcram.core"


def test_fusesoc_builds_the_device_from_it(tmp_path: Path) -> None:
    """With Icarus, with a cache other than the default."""
    (tmp_path / "fusesoc.conf").touch()  # nobody's settings
    argv = [str(Path(sys.executable).parent / "fusesoc"), "--config", str(tmp_path / "fusesoc.conf")]
    argv += ["--cores-root", str(CORE.parent), "run", "--target=icarus", "--setup", "--build"]
    argv += ["--build-root", str(tmp_path / "build"), "vcram", "--CACHE_PAGES", "4"]
    answer = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    built = [path for path in (tmp_path / "build").rglob("*") if path.is_file() and path.stat().st_size > 100_000]
    assert any(b"cram_device" in path.read_bytes() for path in built), "no simulation was built"
