# SPDX-License-Identifier: MIT
"""A corpus folder says what it holds, and a file that is not the one it speaks of is noticed (docs/trace.md)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.corpus.corpus import CorpusError
from sim.corpus.figures import Figures, figures
from sim.corpus.files import MANIFEST, build, counts, load, pages
from sim.data import CORPUS
from sim.trace.scrub import machine_words, this_machine

KINDS = {"python-objects", "python-numbers", "perl", "compiler", "shell", "javascript", "database", "key-value"}


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


def test_a_manifest_that_says_other_than_its_pages_is_refused(tmp_path: Path) -> None:
    manifest = build(tmp_path, ["shell"], sample=20)
    (entry,) = manifest.entries
    lie = manifest.model_copy(update={"entries": [entry.model_copy(update={"zero": entry.zero + 0.5})]})
    (tmp_path / MANIFEST).write_text(lie.model_dump_json())
    with pytest.raises(CorpusError, match="shell: its pages have another zero"):
        load(tmp_path)


def test_the_command_builds_shows_and_draws(tmp_path: Path) -> None:
    built = CliRunner().invoke(cli, ["corpus", "build", str(tmp_path / "corpus"), "--kind", "shell", "--sample", "9"])
    assert built.exit_code == 0, built.output
    drawing = tmp_path / "corpus.svg"
    shown = CliRunner().invoke(cli, ["corpus", "stat", str(tmp_path / "corpus"), "--plot", str(drawing)])
    assert shown.exit_code == 0
    assert "shell" in shown.output and "twice" in shown.output
    texts = [text.text for text in ElementTree.parse(drawing).iter("{http://www.w3.org/2000/svg}text")]
    assert {"shell", "zero", "same-filled", "duplicate", "incompressible"} <= set(texts)
    (entry,) = load(tmp_path / "corpus").entries
    assert f"9 pages, LZ4 {entry.ratio:.2f} : 1" in texts
    assert CliRunner().invoke(cli, ["corpus", "stat", "--plot", str(drawing)]).exit_code == 2


def test_the_pages_of_a_key_value_store_hold_what_it_was_given(tmp_path: Path) -> None:
    if not shutil.which("redis-server"):
        with pytest.raises(CorpusError, match="no program for corpus kind 'key-value' here"):
            build(tmp_path, ["key-value"])
        return
    (entry,) = build(tmp_path, ["key-value"]).entries
    memory = b"".join(pages(tmp_path, entry))
    assert len(set(re.findall(rb"name=user-(\d+);weight=", memory))) > 8_000
    assert entry.version.startswith("Redis server")


# --- the sample that comes with the project -------------------------------------------------------------------------


def test_the_sample_has_pages_of_every_kind_and_is_what_its_manifest_says() -> None:
    manifest = load(CORPUS)  # refuses a file or a figure that is not the manifest's
    assert {entry.kind for entry in manifest.entries} == KINDS
    for entry in manifest.entries:
        assert figures(counts(CORPUS, entry)) == Figures(**entry.model_dump(include=set(Figures.model_fields)))
        assert entry.pages >= 24
    assert {path.name for path in CORPUS.iterdir()} == {MANIFEST, *(entry.file for entry in manifest.entries)}
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 400_000


def test_the_sample_tells_nothing_of_the_machine_it_was_made_on() -> None:
    for entry in load(CORPUS).entries:
        assert [words for page in pages(CORPUS, entry) if (words := machine_words(page))] == []
    assert machine_words((CORPUS / MANIFEST).read_bytes()) == []


@pytest.mark.parametrize("text", [
    b"/home/ann/notes", b"/root/.ssh/id", b"/work/x", b"/tmp/vcram-1/socket", b"\0HOME=/srv\0", b"API_TOKEN=1",
    b"-----BEGIN RSA PRIVATE KEY-----",
])  # fmt: skip
def test_what_tells_of_a_machine_is_found_in_a_page_whatever_the_width_of_its_characters(text: bytes) -> None:
    page = bytearray(pages(CORPUS, load(CORPUS).entries[0])[0])
    page[1000 : 1000 + len(text)] = text
    assert machine_words(bytes(page))
    if b"\0" not in text:
        page[1000 : 1000 + 4 * len(text)] = text.decode().encode("utf-32-le")
        assert machine_words(bytes(page))


def test_names_of_this_machine_are_found_as_whole_words() -> None:
    assert machine_words(b"at builder-7 now", ["builder-7"]) == ["builder-7"]
    assert machine_words(b"at rebuilder-77", ["builder-7"]) == []
    assert str(Path(__file__).parent.parent.parent) in this_machine()
