# SPDX-License-Identifier: MIT
"""A page to look at: one HTML file with everything in it, plots that can be zoomed, and the tables behind them."""

from sim.page.page import Bar, Facts, Flow, Lines, Mark, Notes, Page, Part, Section, Series, Table, render

__all__ = ["Bar", "Facts", "Flow", "Lines", "Mark", "Notes", "Page", "Part", "Section", "Series", "Table", "render"]
