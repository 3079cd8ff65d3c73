# SPDX-License-Identifier: MIT
"""What the documents and the source say about each other's places holds: links, references to pages, tables.

A reference is a path below docs/ in any text, with or without section names behind it in double quotes, as in
`docs/vswap/faults.md, "PTE states" and "What a fault does"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.sources import ROOT
from tests.test_architecture import ROOMS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted(
    path
    for top in ("hw", "driver", "vswap", "sim", "tests", "examples", "Makefile", "pyproject.toml", ".ci")
    for path in ([ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*"))
    if path.suffix in {".py", ".v", ".vh", ".cpp", ".h", ".c", ".rdl", ".toml", ".jinja", ".core", ".sh", ""}
    and path.is_file()
    and path != Path(__file__).resolve()
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_REFERENCE = re.compile(r'\bdocs/([\w./-]*\w)((?:,? (?:and )?"[^"\n]+")*)')
_FILE = re.compile(r"\b((?:hw|driver|vswap|sim|tests|examples)/[\w./-]+\.(?:py|v|vh|toml|rdl|cpp|txt|jsonl|trace))\b")
_CONTINUED = re.compile(r"\n[ \t]*(?://|#|--|;)?[ \t]*")


def headings(page: Path) -> list[str]:
    """The headings of a page, as written, without their marks and links."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text())
    return [line.lstrip("#").strip().replace("`", "") for line in text.splitlines() if re.match(r"#+ ", line)]


def anchors(page: Path) -> set[str]:
    """What a link may have behind a `#`, as forges make it out of the headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


def broken_links(page: Path, text: str) -> Iterator[str]:
    """The relative links in a page's text that lead nowhere."""
    for target in _LINK.findall(text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


def broken_references(text: str) -> Iterator[str]:
    """The references in a text, also those broken over lines, whose page or section is not there."""
    for path, sections in _REFERENCE.findall(_CONTINUED.sub(" ", text)):
        file = ROOT / "docs" / path
        if not file.exists():
            yield f"docs/{path}"
        for section in re.findall(r'"([^"]+)"', sections):
            if file.is_file() and section not in headings(file):
                yield f'docs/{path}, "{section}"'


def broken_tables(text: str) -> Iterator[str]:
    """The first line of each table that is none, and each row with more or fewer cells than its header."""
    for block in re.findall(r"(?m)(?:^\|.*(?:\n|\Z))+", text):
        rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in block.splitlines()]
        if len(rows) < 2 or not all(re.fullmatch(r" *:?-+:? *", cell) for cell in rows[1]):
            yield block.splitlines()[0]
        yield from (line for line, row in zip(block.splitlines(), rows, strict=True) if len(row) != len(rows[0]))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_row_of_a_table_has_the_cells_of_its_header(page: Path) -> None:
    assert list(broken_tables(page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    assert [file for file in _FILE.findall(page.read_text()) if not (ROOT / file).exists()] == []


def test_every_page_is_reachable_from_the_index() -> None:
    seen: set[Path] = set()
    reached = [ROOT / "docs" / "README.md"]
    while reached:
        page = reached.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = (page.parent / target.partition("#")[0] for target in _LINK.findall(page.read_text()))
        reached += [target.resolve() for target in targets if target.suffix == ".md" and target.exists()]
    assert set(PAGES) <= seen


def test_every_reference_leads_to_a_page_and_a_heading() -> None:
    wrong = [f"{name(path)}: {found}" for path in (*PAGES, *SOURCES) for found in broken_references(path.read_text())]
    assert wrong == []


def test_the_architecture_page_lists_the_rooms_from_the_lowest_up() -> None:
    """As tests/test_architecture.py has them."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    for floor, rooms in ROOMS.items():
        assert [row.removesuffix("/*.py") for row in re.findall(rf"(?m)^\| `({floor}/\S+)` \|", text)] == [
            f"{floor}/{room}".rstrip("/") for room in rooms
        ]


def test_the_glossary_is_in_alphabetical_order() -> None:
    words = re.findall(r"(?m)^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text())[2:]
    keys = [re.sub(r"[^a-z0-9 ]", "", word.lower().replace("_", " ")).strip() for word in words]
    assert len(keys) > 100
    assert keys == sorted(keys)


def test_what_is_broken_is_seen() -> None:
    page = ROOT / "docs" / "README.md"
    assert list(broken_links(page, "[a](no.md) [b](vswap.md#no) [c](vswap.md) [d](https://example.org/no.md)")) == [
        "no.md",
        "vswap.md#no",
    ]
    text = '# see docs/vswap.md, "Time and\n#   concurrency" and "No";\n# docs/no.md, "Time"'
    assert list(broken_references(text)) == ['docs/vswap.md, "No"', "docs/no.md"]
    assert list(broken_tables("| a | b |\n| --- | --- |\n| `1\\|2` | 2 |\n")) == []
    assert list(broken_tables("| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| 3 | 4 |\n")) == ["| 3 | 4 |"]
    assert list(broken_tables("| a | b |\n| --- | --- |\n| 1 | 2 | 3 |\n| 4 |\n")) == ["| 1 | 2 | 3 |", "| 4 |"]
