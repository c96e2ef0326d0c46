"""Pictures of any rows: they are drawn or not, but never break, and never let through what a value says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.serve.web.pictures.result_chart import draw_rows, numbers_of

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(allow_nan=True), st.text(max_size=20),
    st.datetimes(), st.dates(), st.binary(max_size=5), st.lists(st.integers(), max_size=2),
)  # fmt: skip
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=width, max_size=width),
        st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=6),
    )
)


@given(table=TABLES, kind=st.sampled_from(["", "bar", "line", "pie"]), x=st.text(max_size=3), y=st.text(max_size=3))
def test_any_rows_are_drawn_or_not(table: tuple[list[str], list[list[Any]]], kind: str, x: str, y: str) -> None:
    names, rows = table
    chart = draw_rows(names, rows, kind=kind, x=x, y=y)
    if chart is None:
        return
    assert chart.x in names
    assert set(chart.y) <= set(numbers_of(names, rows))
    drawn = str(chart.picture)
    assert "style=" not in drawn.replace("style=&", "")
    ET.fromstring(drawn.translate(dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "?")))  # noqa: S314 - as above


def test_a_label_is_only_text() -> None:
    chart = draw_rows(["<b>", "n"], [["<script>alert(1)</script>", 1], ['"><img onerror=x>', 2]])
    assert chart is not None
    assert "<script" not in chart.picture
    assert "<img" not in chart.picture


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([["a", 1], ["b", 2]], "bar"),
        ([["a", Decimal("1.5")], ["b", -2]], "bar"),
        ([[datetime(2026, 1, day), day] for day in (1, 2, 3)], "line"),  # noqa: DTZ001 - naive UTC
        ([[date(2026, 1, day), day] for day in (1, 2, 3)], "line"),
        ([[1, 10], [2, 20], [3, 15]], "line"),
    ],
)
def test_what_fits_is_chosen(rows: list[list[Any]], kind: str) -> None:
    chart = draw_rows(["x", "y"], rows)
    assert chart is not None
    assert (chart.kind, chart.x, chart.y) == (kind, "x", ("y",))


@pytest.mark.parametrize(
    "rows", [[], [["a", 1]], [["a", "b"], ["c", "d"]], [["a", None], ["b", None]], [["a", float("nan")], ["b", 1.0]]]
)
def test_what_cannot_be_drawn_is_not(rows: list[list[Any]]) -> None:
    assert draw_rows(["x", "y"], rows) is None


def test_many_bars_are_cut_and_that_is_said() -> None:
    chart = draw_rows(["x", "n"], [[f"row {number}", number] for number in range(100)])
    assert chart is not None
    assert chart.picture.count("kind-result") == 40
    assert "100" in chart.note
