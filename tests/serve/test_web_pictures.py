"""Pictures: what is drawn, where, and that whatever a provider says stays text."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stocktake.serve.web.pictures.axes import number_ticks, seconds_of, short_number, time_ticks
from stocktake.serve.web.pictures.bars import Column, Part, columns, share_bar
from stocktake.serve.web.pictures.curves import Point, Series, curves
from stocktake.serve.web.pictures.gantt import Bar, Mark, gantt, strip
from stocktake.serve.web.pictures.graph import Edge, Node, arrange, graph, shortened

ATTACK = "\"><script>alert(1)</script><a href='javascript:x'>&"
NOON = seconds_of(datetime(2026, 3, 2, 12, tzinfo=UTC))


def tree(markup: str) -> ET.Element:
    return ET.fromstring(markup)  # noqa: S314 - of our own making


def named(root: ET.Element, tag: str, kind: str = "") -> list[ET.Element]:
    return [one for one in root.iter(tag) if kind in one.get("class", "").split() or not kind]


def share(said: str | None) -> float:
    assert said is not None
    assert said.endswith("%")
    return float(said[:-1])


def test_bars_of_a_gantt_chart_stand_where_their_times_are() -> None:
    bars = [
        Bar("pending", "pending", NOON, NOON + 100, "waits"),
        Bar("training", "training", NOON + 100, NOON + 300, "trains"),
        Bar("training", "training", NOON + 350, NOON + 400, "trains again", goes_on=True),
    ]
    root = tree(gantt("Phases", "of a job", bars, {"training": "4 min"}))
    drawn = named(root, "rect", "bar")
    assert [(share(one.get("x")), share(one.get("width"))) for one in drawn] == [(0, 25), (25, 50), (87.5, 12.5)]
    assert len(named(root, "rect", "lane")) == 2
    assert named(root, "rect", "goes-on") == drawn[2:]
    assert [one.text for one in root.iter("tspan")] == ["pending", "  ", "training", "  4 min"]


def test_what_took_no_time_still_shows_and_stays_inside() -> None:
    bars = [Bar("a", "x", 0, 10_000, ""), Bar("b", "x", 10_000, 10_000, "")]
    last = named(tree(gantt("t", "", bars, {})), "rect", "bar")[-1]
    assert share(last.get("width")) > 0
    assert share(last.get("x")) + share(last.get("width")) <= 100


def test_a_limit_to_come_widens_the_time() -> None:
    root = tree(gantt("t", "", [Bar("a", "x", 0, 50, "")], {}, [Mark(100, "must end", "limit")]))
    assert share(named(root, "rect", "bar")[0].get("width")) == 50
    assert [one.text for one in named(root, "text", "mark-limit")] == ["must end"]


def test_nothing_is_drawn_of_nothing() -> None:
    assert gantt("t", "", [], {}) == curves("t", "", []) == columns("t", "", [], []) == graph("t", [], []) == ""


def test_one_value_makes_a_point_in_the_middle() -> None:
    root = tree(curves("auc", "", [Series("auc", (Point(NOON, 0.9, "0.9", "this"),))]))
    [dot] = named(root, "circle", "this")
    assert share(dot.get("cx")) == 50


def test_higher_values_stand_higher() -> None:
    points = tuple(Point(NOON + 60 * number, value, "") for number, value in enumerate((1.0, 3.0, 2.0)))
    down = [float(one.get("cy", "")) for one in tree(curves("t", "", [Series("s", points)])).iter("circle")]
    assert down[1] < down[2] < down[0]


def test_parts_of_a_bar_are_their_share_of_the_whole() -> None:
    root = tree(share_bar("30 of 100", [Part(10, "good"), Part(0, "none"), Part(20, "bad", "20 bad")], 100))
    drawn = named(root, "rect", "bar")
    assert [(share(one.get("x")), share(one.get("width"))) for one in drawn] == [(0, 10), (10, 20)]
    assert named(tree(share_bar("none", [Part(0, "x")], 0)), "rect", "bar") == []


def test_columns_are_as_high_as_their_parts() -> None:
    some = [Column((Part(4, "created"), Part(4, "deleted")), "8"), Column((Part(2, "created"),), "2"), Column((), "0")]
    root = tree(columns("Changes", "", some, []))
    assert [float(one.get("height", "")) for one in named(root, "rect", "bar")] == [32, 32, 16]


def test_a_graph_puts_layers_beside_each_other_and_draws_what_it_knows() -> None:
    nodes = [Node(key, layer, "bucket", key, "held", f"/resource?key={key}") for key, layer in
             (("a", -1), ("b", -1), ("job", 0), ("model", 1))]  # fmt: skip
    edges = [Edge("a", "job", "READS"), Edge("b", "job", "READS"), Edge("job", "model", "MAKES"), Edge("x", "job", "-")]
    places = arrange(nodes, edges)
    assert places["a"][0] == places["b"][0] < places["job"][0] < places["model"][0]
    assert places["a"][1] != places["b"][1]
    root = tree(graph("Lineage", nodes, edges))
    assert len(named(root, "path", "edge")) == 3
    assert [one.get("href") for one in root.iter("a")] == [f"/resource?key={node.key}" for node in nodes]


def test_neighbors_come_in_the_order_that_crosses_least() -> None:
    nodes = [Node(key, layer, "", key, "") for key, layer in (("a", 0), ("b", 0), ("B", 1), ("A", 1))]
    places = arrange(nodes, [Edge("a", "A", ""), Edge("b", "B", "")])
    assert (places["a"][1] < places["b"][1]) == (places["A"][1] < places["B"][1])


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 40)), min_size=1, max_size=40, unique=True))
def test_no_two_nodes_share_a_place(made: list[tuple[int, int]]) -> None:
    nodes = [Node(f"{layer}/{number}", layer, "", "", "") for layer, number in made]
    edges = [Edge(one.key, other.key, "") for one, other in pairwise(nodes)]
    places = arrange(nodes, edges)
    assert len(set(places.values())) == len(nodes)


@pytest.mark.parametrize(
    "markup",
    [
        gantt(ATTACK, ATTACK, [Bar(ATTACK, ATTACK, 0, 1, ATTACK)], {ATTACK: ATTACK}, [Mark(1, ATTACK, ATTACK)]),
        strip(ATTACK, [Bar("a", "b", 0, 1, ATTACK)]),
        curves(ATTACK, ATTACK, [Series(ATTACK, (Point(0, 0, ATTACK, ATTACK),))]),
        share_bar(ATTACK, [Part(1, ATTACK, ATTACK)], 2),
        columns(ATTACK, ATTACK, [Column((Part(1, ATTACK, ATTACK),), ATTACK)], []),
        graph(ATTACK, [Node(ATTACK, 0, ATTACK, ATTACK, ATTACK, ATTACK)], [Edge(ATTACK, ATTACK, ATTACK)]),
    ],
)
def test_what_others_write_stays_text(markup: str) -> None:
    assert "<script" not in markup
    root = tree(markup)
    assert {one.tag for one in root.iter()} <= {"svg", "g", "a", "title", "desc", "rect", "line", "circle", "path",
                                               "polyline", "text", "tspan"}  # fmt: skip
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or name == "style"]
    assert root.find("title") is not None
    assert root.get("role") in {"img", "group"}


@example(low=-656774945658.404, width=0.001)
@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_marks_of_numbers_stand_inside_and_are_few(low: float, width: float) -> None:
    ticks = number_ticks(low, low + width)
    assert len(ticks) <= 5
    assert all(low - width * 1e-6 <= tick.at <= low + width * (1 + 1e-6) for tick in ticks)


@given(st.floats(0, 4e9), st.floats(1, 1.2e8))
def test_marks_of_times_stand_inside_and_are_few(start: float, length: float) -> None:
    ticks = time_ticks(start, start + length)
    assert len(ticks) <= 5
    assert all(start <= tick.at <= start + length for tick in ticks)


def test_marks_say_hours_and_at_midnight_the_day() -> None:
    assert [one.label for one in time_ticks(NOON - 3600, NOON + 3600)] == [
        "11:00",
        "11:30",
        "12:00",
        "12:30",
        "13:00",
    ]
    assert [tick.label for tick in time_ticks(NOON, NOON + 86_400)] == ["12:00", "18:00", "3 Mar", "06:00", "12:00"]


@pytest.mark.parametrize(("value", "said"), [(0, "0"), (0.25, "0.25"), (12_500, "12.5k"), (2e6, "2M"), (1e-7, "1e-07")])
def test_numbers_are_short(value: float, said: str) -> None:
    assert short_number(value) == said


def test_long_names_are_cut_in_the_middle() -> None:
    assert shortened("a" * 10 + "b" * 10, 9) == "aaaa…bbbb"
    assert shortened("short", 9) == "short"
