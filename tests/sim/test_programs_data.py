# SPDX-License-Identifier: MIT
"""The recorded programs that come with the project are whole files, small, and name no machine."""

from __future__ import annotations

import pytest

from sim.data.programs import FOLDER, PROGRAMS
from sim.trace.file import Trace
from sim.trace.scrub import machine_words, this_machine

LIMIT_BYTES = 640 << 10
KEPT = [name for name, program in PROGRAMS.items() if program.kept]


@pytest.mark.parametrize("name", KEPT)
def test_a_recording_is_small_and_names_no_machine(name: str) -> None:
    file = FOLDER / f"{name}.trace"
    trace = Trace.load(file)
    assert file.stat().st_size <= LIMIT_BYTES and trace.header.pages > 100
    names = this_machine()
    assert not set(machine_words(trace.contents.tobytes(), names)) & set(names)


def test_every_file_is_of_a_program_that_can_be_recorded_anew() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(KEPT)
