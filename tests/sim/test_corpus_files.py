"""A corpus folder says what it holds, and a file that is not the one it speaks of is noticed (docs/trace.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.corpus import CorpusError
from sim.corpus_files import MANIFEST, build, load, pages


def test_what_was_built_is_what_is_loaded(tmp_path: Path) -> None:
    manifest = build(tmp_path, ["shell", "perl"])
    assert load(tmp_path) == manifest
    for entry in manifest.entries:
        different = pages(tmp_path, entry)
        assert len(different) == len(set(different)) == round(entry.pages * (1 - entry.duplicate))
        assert entry.ratio > 1
        assert sum(entry.sizes) == entry.pages - round(entry.pages * (entry.zero + entry.same))
        assert any(character.isdigit() for character in entry.version)


def test_a_changed_file_and_a_missing_one_are_told(tmp_path: Path) -> None:
    build(tmp_path, ["shell"])
    with (tmp_path / "shell.npz").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CorpusError, match=r"shell\.npz: not the file"):
        load(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(CorpusError, match="not a manifest"):
        load(tmp_path)
    with pytest.raises(CorpusError, match="corpus build"):
        load(tmp_path / "absent")
    with pytest.raises(CorpusError, match="no program for corpus kind 'cobol'"):
        build(tmp_path, ["cobol"])


def test_the_command_builds_and_shows(tmp_path: Path) -> None:
    built = CliRunner().invoke(cli, ["corpus", "build", str(tmp_path / "corpus"), "--kind", "shell"])
    assert built.exit_code == 0, built.output
    shown = CliRunner().invoke(cli, ["corpus", "stat", str(tmp_path / "corpus")])
    assert shown.exit_code == 0
    assert "shell" in shown.output and "twice" in shown.output
