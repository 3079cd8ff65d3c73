# SPDX-License-Identifier: MIT
"""Corpus chart: what the pages of programs are like, as a drawing (SVG): shares as bars, sizes as histograms."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from sim.corpus.figures import BINS
from sim.corpus.files import Entry, Manifest

_SHARES = (
    ("zero", "zero", "#888"),
    ("same", "same-filled", "#d98200"),
    ("duplicate", "duplicate", "#a32f80"),
    ("incompressible", "incompressible", "#b3261e"),
)
_SIZES = "#0a6cc2"
_NAME, _BAR, _GAP, _BIN, _HEAD, _ROW = 190, 120, 24, 16, 40, 52
_HISTOGRAM = _NAME + len(_SHARES) * (_BAR + _GAP)
_WIDTH = _HISTOGRAM + BINS * _BIN + _GAP


def corpus_chart(manifest: Manifest) -> str:
    """A row for each program: bars of its shares of zero, same-filled, duplicate and incompressible pages, each of 0 to
    100 %, and how many of the other pages have an LZ4 block of which size, the tallest column as high as the row."""
    height = _HEAD + _ROW * len(manifest.entries) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12"><title>Pages of real programs</title><rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    ]
    for i, (_, label, colour) in enumerate(_SHARES):
        parts.append(f'<text x="{_NAME + i * (_BAR + _GAP)}" y="20" fill="{colour}">{label}</text>')
    parts.append(f'<text x="{_HISTOGRAM}" y="20" fill="{_SIZES}">LZ4 block, 256 bytes a column</text>')
    for row, entry in enumerate(manifest.entries):
        parts += _row(entry, _HEAD + row * _ROW)
    parts.append(f'<text x="{_HISTOGRAM}" y="{height - 8}">1</text>')
    parts.append(f'<text x="{_HISTOGRAM + BINS * _BIN}" y="{height - 8}" text-anchor="end">4 KiB</text></svg>')
    return "\n".join(parts) + "\n"


def _row(entry: Entry, top: int) -> Iterator[str]:
    yield f'<text x="8" y="{top + 16}" font-weight="bold">{escape(entry.kind)}</text>'
    yield f'<text x="8" y="{top + 32}" fill="#666">{entry.pages:,} pages, LZ4 {entry.ratio:.2f} : 1</text>'
    for i, (name, _, colour) in enumerate(_SHARES):
        share, left = getattr(entry, name), _NAME + i * (_BAR + _GAP)
        yield f'<rect x="{left}" y="{top + 4}" width="{_BAR}" height="14" fill="#eee"/>'
        yield f'<rect x="{left}" y="{top + 4}" width="{share * _BAR:.1f}" height="14" fill="{colour}"/>'
        yield f'<text x="{left}" y="{top + 32}" fill="#666">{share:.1%}</text>'
    most, full, base = max(*entry.sizes, 1), _ROW - 14, top + _ROW - 12
    yield f'<path d="M{_HISTOGRAM} {base}h{BINS * _BIN}" stroke="#ccc"/>'
    for i, count in enumerate(entry.sizes):
        high = round(full * count / most, 1)
        yield (
            f'<rect x="{_HISTOGRAM + i * _BIN + 1}" y="{base - high:.1f}" width="{_BIN - 2}" height="{high}" '
            f'fill="{_SIZES}"><title>{count:,}</title></rect>'
        )
