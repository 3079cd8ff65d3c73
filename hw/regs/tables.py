# SPDX-License-Identifier: MIT
"""The tables of the documents that say what the codes and registers are, made from the sources beside this.

A table follows a line `<!-- made by `make regs`: NAME -->`, in whatever file of docs/, and ends at an empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hw.regs.codes import Codes, Group, MapError
from hw.regs.model import Register, RegisterMap
from hw.regs.replies import LOG, Replies

_MARK = re.compile(r"(<!-- made by `make regs`: ([a-z-]+) -->\n)(.*?)(?=\n\n|\Z)", re.DOTALL)


def tables(registers: RegisterMap, codes: Codes, replies: Replies) -> dict[str, str]:
    """Every table by its name."""
    encodings = {encoding.name: encoding for encoding in registers.encodings}
    titles = {member.name: member.title for member in encodings["Opcode"].members}
    return {
        "page-states": _table(
            ("number", "state", "resident", "on the media", "meaning"),
            (
                (
                    state.number,
                    state.name.lower(),
                    _yes("resident" in state.properties),
                    _yes("on_media" in state.properties),
                    state.meaning,
                )
                for state in codes.states.codes
            ),
        ),
        "page-table": _table(
            ("bits", "field", "of", "meaning"),
            ((field.range, f"`{field.name}`", _pages(field.of), field.meaning) for field in codes.entry),
        ),
        "interrupts": _table(
            ("line", "name", "raised when"),
            (
                (field.lsb, f"`{field.name}`", _clause(field.description))
                for field in registers.by_name["INTERRUPT_STATUS"].fields
            ),
        ),
        "events": _table(
            ("code", "event", "page lost", "meaning"),
            (
                (
                    member.value,
                    f"`{member.name}`",
                    _yes(member in dict(encodings["EventCode"].sets)["losses"]),
                    _clause(member.description),
                )
                for member in encodings["EventCode"].members
                if member.value
            ),
        ),
        "registers": _table(
            ("offset", "name", "access", "reset", "meaning"),
            [(f"0x{r.offset:03X}", r.name, r.access, _reset(r), _meaning(r)) for r in registers.registers]
            + [
                (f"0x{m.offset:04X} .. 0x{m.offset + m.size - 1:04X}", m.name, "rw", "", _clause(m.description))
                for m in registers.memories
            ],
        ),
        "commands": _table(
            ("opcode", "name", "does", "input", "output"),
            (
                (
                    f"0x{member.value:04X}",
                    member.title + (f", {variant}" if variant else ""),
                    _clause(member.description),
                    data,
                    reply,
                )
                for member in encodings["Opcode"].members
                for variant, data, reply in member.payloads
            ),
        ),
        "return-codes": _table(
            ("code", "name", "meaning"),
            (
                (f"0x{member.value:X}", f"`{member.name}`", _clause(member.description))
                for member in encodings["ReturnCode"].members
            ),
        ),
        "constant-replies": _table(
            ("reply to", "offset", "bytes", "field", "value", "meaning"),
            (
                (
                    titles[reply.opcode],
                    f"0x{offset:02X}",
                    field.bytes,
                    field.name.replace("_", " "),
                    f"`{field.shown}`",
                    field.meaning,
                )
                for reply in replies.replies
                if reply.opcode != LOG
                for offset, field in reply.places
            ),
        ),
        "command-effects": _table(
            ("bit", "effect", "changes", "commands"),
            (
                (
                    code.number,
                    code.name.replace("_", " ").capitalize(),
                    code.meaning,
                    ", ".join(member.title for member in encodings["Opcode"].members if code.name in member.effects),
                )
                for group in codes.groups
                if group.enum == "CommandEffect"
                for code in group.codes
            ),
        ),
        "poison-sources": _codes(next(group for group in codes.groups if group.enum == "PoisonSource")),
    }


def fill(documents: Iterable[Path], made: Mapping[str, str]) -> dict[Path, str]:
    """The text of each document that has one of the tables, with its tables up to date. Raises MapError.

    Every table has to stand in exactly one document.
    """
    texts, seen = {}, []
    for path in documents:
        text = path.read_text()
        names = [match[2] for match in _MARK.finditer(text)]
        if unknown := set(names) - made.keys():
            raise MapError(f"{path}: there is no table {min(unknown)}")
        if names:
            seen += names
            texts[path] = _MARK.sub(lambda match: match[1] + made[match[2]], text)
    if wrong := sorted(name for name in made if seen.count(name) != 1):
        raise MapError(f"the table {wrong[0]} stands in {seen.count(wrong[0])} documents, expected 1")
    return texts


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _codes(group: Group) -> str:
    return _table(
        ("number", "name", "meaning"), ((code.number, f"`{code.name}`", code.meaning) for code in group.codes)
    )


def _reset(register: Register) -> str:
    return "parameter" if register.parameter else "live" if register.reset is None else f"0x{register.reset:X}"


def _meaning(register: Register) -> str:
    """The register's meaning, with the bits of its fields."""
    fields = [
        f"{f'bits {field.lsb + field.width - 1}:' if field.width > 1 else 'bit '}{field.lsb} `{field.name.lower()}`"
        for field in register.fields
        if field.name != "VALUE"
    ]
    return _clause(register.description) + (f" ({', '.join(fields)})" if fields else "")


def _pages(of: str) -> str:
    words = {"all": "all pages", "resident": "resident pages", "on_media": "pages on the media"}
    return {**words, "keeps_word": "pages that keep a word"}.get(of, f"{of.lower()} pages")


def _clause(sentence: str) -> str:
    """Without the full stop at its end, as cells of tables are."""
    return sentence.removesuffix(".")


def _yes(holds: bool) -> str:
    return "yes" if holds else ""
