# SPDX-License-Identifier: MIT
"""Processes that end while they are looked at: nobody waits for them for ever."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hw.sources import ROOT
from sim.follow.mappings import mappings
from tests.sim.followed import needs_root

FAILS_AT_THE_END = """
    import sys
    from pathlib import Path
    from sim.capture import capture
    from sim.follow import robust

    def fails(*_):
        raise RuntimeError("at the last stop of a thread")

    robust.pages = fails
    capture(["/bin/true"], Path(sys.argv[1]))
"""


def test_a_process_that_has_ended_and_that_nobody_has_waited_for_has_no_mappings() -> None:
    """The file of a zombie is there and empty. It was an IndexError."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        assert mappings(process.pid)
        process.kill()
        while Path(f"/proc/{process.pid}/stat").read_text().split()[2] != "Z":
            pass
        with pytest.raises(ProcessLookupError):
            mappings(process.pid)


@needs_root
def test_an_error_at_the_last_stop_of_a_thread_ends_the_run(tmp_path: Path) -> None:
    """SIGKILL does not end that stop, and it had been told of: the recorder waited for it for ever."""
    argv = [sys.executable, "-c", textwrap.dedent(FAILS_AT_THE_END), str(tmp_path / "trace")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "RuntimeError: at the last stop of a thread" in done.stderr
