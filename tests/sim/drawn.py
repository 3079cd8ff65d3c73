# SPDX-License-Identifier: MIT
"""What a page of plots must be like in a browser, whatever it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.sim.browser import Browser

DRAWN = """
[...document.querySelectorAll("figure[data-plot]")].map(figure => {
    const canvas = figure.querySelector("canvas");
    if (canvas) {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let coloured = 0;  // axes and grid are grey
        for (let i = 0; i < data.length; i += 4) {
            const [r, g, b, alpha] = data.slice(i, i + 4);
            coloured += alpha > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 40;
        }
        return [figure.ariaLabel, coloured];
    }
    const pieces = [...figure.querySelectorAll(".ribbon, .parts span")];
    return [figure.ariaLabel, pieces.filter(piece => piece.getBoundingClientRect().width > 1).length];
})
"""
"""Of each plot its title, and how many coloured pixels or pieces it has."""


APART = """
[...document.querySelectorAll("svg")].every(svg => {
    const texts = [...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect());
    return texts.every((a, i) => texts.slice(i + 1).every(b =>
        a.right <= b.left || b.right <= a.left || a.bottom - 2 <= b.top || b.bottom - 2 <= a.top));
})
"""
"""Whether no words of a diagram lie on others."""
WHOLE = """
[...document.querySelectorAll(".explained")].every(table => table.scrollWidth <= table.parentElement.clientWidth)
"""
"""Whether all of the tables of figures is seen, however narrow the page."""


def plots(text: str) -> dict[str, dict[str, Any]]:
    """The data of the plots in a page, by title."""
    data = text.partition('id="plots">')[2].partition("</script>")[0]
    return {plot["title"]: plot for plot in json.loads(data)}


def check_drawn(browser: Browser, page: Path, width: int, *, dark: bool = False) -> None:
    """Every plot is drawn, nothing sticks out, the console is silent, no network is asked, and the page is small."""
    browser.open(page, width, dark=dark)
    drawn = dict(browser.evaluate(DRAWN))
    data = plots(page.read_text())
    assert drawn.keys() == data.keys()
    for title, plot in data.items():
        pieces = plot.get("links") or plot.get("parts")
        assert drawn[title] == len(pieces) if pieces else drawn[title] > 100, title
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    assert browser.evaluate(APART), "words lie on words"
    assert browser.evaluate(WHOLE), "a table is cut off"
    assert browser.troubles == []
    assert browser.requests == [page.as_uri()], "no request to a network"
    assert page.stat().st_size < 1_000_000
