# SPDX-License-Identifier: MIT
"""Outcomes as JUnit's XML, in the form that CI servers read (docs/contract-suite.md, "JUnit")."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from xml.etree import ElementTree

from vswap.contract.checks import CHECKS
from vswap.contract.suite import Outcome

_TAGS = {"fail": "failure", "error": "error", "not applicable": "skipped"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Totals:
    """What a suite, and all suites together, say of their cases."""

    name: str
    tests: int
    failures: int
    errors: int
    skipped: int
    time: str


def junit(outcomes: Sequence[Outcome], backend: str, began: datetime, properties: Mapping[str, object]) -> str:
    """A test suite for one run.

    Args:
        backend: what was judged: the suite's name.
        began: when the run did.
        properties: how it was run.
    """
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    totals = asdict(
        _Totals(
            name=f"vcram contract {backend}",
            tests=len(outcomes),
            failures=verdicts["fail"],
            errors=verdicts["error"],
            skipped=verdicts["not applicable"],
            time=_seconds(sum(outcome.seconds for outcome in outcomes)),
        )
    )
    root = _element("testsuites", totals)
    suite = _element("testsuite", totals | {"timestamp": began.isoformat(timespec="seconds")}, root)
    settings = _element("properties", {}, suite)
    for name, value in properties.items():
        _element("property", {"name": name, "value": value}, settings)
    for outcome in outcomes:
        chapter = outcome.identifier.partition(".")[0]
        about = {"classname": f"contract.{chapter}", "name": outcome.identifier, "time": _seconds(outcome.seconds)}
        case = _element("testcase", about, suite)
        if outcome.verdict == "not applicable":
            _element("skipped", {"message": outcome.reason}, case)
        elif outcome.verdict in _TAGS:
            relies = CHECKS[outcome.identifier].relies
            what = _element(_TAGS[outcome.verdict], {"message": outcome.reason, "type": _kind(outcome)}, case)
            what.text = _clean(f"the kernel relies on this: {relies}\nseed {outcome.seed}: {outcome.reason}\n"
                               f"{outcome.details}")  # fmt: skip
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _element(
    tag: str, attributes: Mapping[str, object], parent: ElementTree.Element | None = None
) -> ElementTree.Element:
    texts = {name: _clean(str(value)) for name, value in attributes.items()}
    return ElementTree.Element(tag, texts) if parent is None else ElementTree.SubElement(parent, tag, texts)


def _kind(outcome: Outcome) -> str:
    """The name of the exception in front of the reason; that of the verdict where none was raised."""
    found = re.match(r"(\w+)(: |$)", outcome.reason)
    return found[1] if found else outcome.verdict


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _clean(text: str) -> str:
    """Without what XML has no way to write."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
