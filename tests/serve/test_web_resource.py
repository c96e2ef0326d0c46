"""The resource page and its panel, part by part, and the pure functions behind them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sample_catalog import TYPE, SampleCatalog, arn, training_job
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
from stocktake.query.search.choices import with_choices
from stocktake.query.search.run import search
from stocktake.relations.walk import Edge, Node, Step, Walk
from stocktake.resource_types.schema import walk
from stocktake.serve.telling.consoles import console_of
from stocktake.serve.telling.errata import errata
from stocktake.serve.telling.states import state_kind
from stocktake.serve.web.pictures.treemap import Place, squarify
from stocktake.serve.web.rendering import duration, environment, money, url
from stocktake.serve.web.views.catalog_state import CatalogState, read_state
from stocktake.serve.web.views.fields import field_rows
from stocktake.serve.web.views.relations import node_key, node_of, relations_view
from web_server import Served, serving

ALPHA = arn("alpha")


@pytest.fixture(scope="module")
def served(sample: SampleCatalog) -> Iterator[Served]:
    with serving(sample.path) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with closing(served.client()) as one:
        yield one


def get(client: httpx.Client, **parameters: Any) -> str:
    answer = client.get("/resource", params={"key": ALPHA} | parameters)
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


def test_overview_says_who_it_is(client: httpx.Client, sample: SampleCatalog) -> None:
    page = get(client)
    assert '<h1 class="resource-name">alpha</h1>' in page
    assert '<span class="badge ok">Completed</span>' in page
    assert '<a href="/?q=tags:%22team:vision%22" title="Find all with this tag">vision</a>' in page
    assert f'href="https://console.aws.amazon.com/go/view?arn={ALPHA}"' in page
    assert "resource_config.instance_type" in page
    # The statement that it offers runs, and finds it.
    sql = re.search(r"<pre>(SELECT \* FROM .*?)</pre>", page)
    assert sql is not None
    with open_reading(sample.path) as catalog:
        rows = list(run_query(catalog, html.unescape(sql[1])).rows())
    assert len(rows) == 1
    assert f"stocktake show {ALPHA} --type {TYPE}" in html.unescape(page)


def test_a_panel_is_the_part_without_the_frame(client: httpx.Client) -> None:
    part = get(client, panel="1")
    assert "<html" not in part
    assert '<h2 class="resource-name">alpha</h2>' in part
    # The catalog page has it in itself where its address says so.
    page = client.get("/", params={"panel": ALPHA, "panel.tab": "timeline"}).text
    assert '<h2 class="resource-name">alpha</h2>' in page
    assert 'class="plain timeline"' in page


def test_fields_have_the_providers_text_and_notes_on_it(client: httpx.Client) -> None:
    page = get(client, tab="fields")
    assert page.count('<span class="field-name"') > 50
    assert "About TrainingJobName" in page
    assert "The text says the opposite of what the field does." in page
    assert 'is-null">' in page
    fewer = get(client, tab="fields", set="1")
    assert fewer.count('<span class="field-name"') < page.count('<span class="field-name"')
    assert "Sent by the provider, unknown to the model" in page


def test_definition_is_json(client: httpx.Client) -> None:
    page = get(client, tab="definition")
    assert "&#34;training_job_status&#34;: &#34;Completed&#34;" in page
    assert "warm_pool_status" not in page
    assert "&#34;warm_pool_status&#34;: null" in get(client, tab="definition", nulls="1")


def test_timeline_leads_to_differences_and_to_the_past(client: httpx.Client) -> None:
    page = get(client, tab="timeline")
    assert "first seen" in page
    compare = re.search(r'href="([^"]*)">Side by side', page)
    then = re.findall(r'href="([^"]*)">As it was then', page)
    assert compare is not None
    differing = client.get(html.unescape(compare[1])).text
    assert '<code class="break">training_job_status</code>' in differing
    assert 'class="left"><pre>  &#34;training_job_status&#34;: &#34;InProgress&#34;' in differing
    assert 'class="right-side"><pre>  &#34;training_job_status&#34;: &#34;Completed&#34;' in differing
    before = client.get(html.unescape(then[-1])).text
    assert '<span class="badge info">InProgress</span>' in before
    assert "as it was" in before
    unknown = client.get("/resource", params={"key": ALPHA, "as_of": "2001-01-01"}, headers={"accept": "text/html"})
    assert unknown.status_code == 404
    assert "was not known at" in unknown.text


def test_what_is_gone_is_said_to_be(client: httpx.Client) -> None:
    page = get(client, key=arn("gamma"))
    assert '<span class="badge bad">deleted' in page
    assert "Shown as it was last seen" in page
    assert "Deleted resources are not judged" in get(client, key=arn("gamma"), tab="policies")


def test_rules_say_what_they_find(client: httpx.Client) -> None:
    page = get(client, tab="policies")
    assert re.search(r'<span class="badge (bad|ok|mute)">(failed|passed|not judged)</span>', page)


def test_an_unknown_one_is_an_error_page(client: httpx.Client) -> None:
    answer = client.get("/resource", params={"key": arn("alpho")}, headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "Did you mean" in answer.text
    part = client.get("/resource", params={"key": "<b>", "panel": "1"}, headers={"accept": "text/html"})
    assert "<html" not in part.text
    assert "<b>" not in part.text


def test_errata_are_about_text_that_is_still_wrong() -> None:
    fields = {".".join(path): field for path, field in walk(training_job().fields)}
    for (type_name, path), one in errata().items():
        assert type_name == TYPE
        assert one.holds(fields[path].documentation), f"{path}: the provider has mended it"
        assert one.source


def test_field_rows_keep_what_the_model_does_not_know() -> None:
    rows = field_rows(TYPE, training_job().fields, {"gone_since": 1, "training_job_name": "a"}, only_set=True)
    assert [(row["name"], row["cell"].value) for row in rows] == [("training_job_name", "a"), ("gone_since", 1)]


@pytest.mark.parametrize(
    ("state", "kind"),
    [("Failed", "bad"), ("InProgress", "info"), ("in-use", "ok"), ("CREATE_COMPLETE", "ok"), ("Stopped", "mute"),
     ("UPDATE_ROLLBACK_FAILED", "bad"), ("pending", "info"), ("running", "ok"), ("whatever", "mute"), ("", "mute")],
)  # fmt: skip
def test_states_have_kinds(state: str, kind: str) -> None:
    assert state_kind(state) == kind


def test_consoles_are_those_of_arns() -> None:
    assert console_of("arn:aws:s3:::a b") == (
        "AWS console",
        "https://console.aws.amazon.com/go/view?arn=arn:aws:s3:::a%20b",
    )
    assert console_of("aws_s3_bucket:1:global:x") is None


def test_quantities() -> None:
    assert [duration(one) for one in (None, 0, 0.25, 61, 3_999, 90_000)] == [
        "",
        "0 s",
        "250 ms",
        "1 min 1 s",
        "1 h 6 min",
        "1 d 1 h",
    ]
    assert [money(one) for one in (None, 0, 0.0123, 1234.5, -3)] == ["", "$0.00", "$0.0123", "$1,234.50", "-$3.00"]
    assert url("/a", b=[1, "x y"], c=None, d=False, e=True) == "/a?b=1&b=x+y&e=1"
    text = (
        environment().from_string("{{ '<p>a <code>b</code><script>x</script></p>' | description }}{{ '<b>' }}").render()
    )
    assert text == "<p>a <code>b</code>x</p>&lt;b&gt;"


words = st.text(min_size=1, max_size=12).map(str.strip).filter(bool)
plain = st.from_regex(r"[a-z_.]{1,12}", fullmatch=True)


# Under load, making the examples takes long.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@calm
@given(
    st.builds(
        CatalogState,
        q=words,
        chosen=st.dictionaries(plain, st.lists(words, min_size=1, max_size=3, unique=True).map(tuple), max_size=3),
        pinned=st.lists(words, max_size=3, unique=True).map(tuple),
        group=plain,
        columns=st.lists(plain, max_size=3, unique=True).map(tuple),
        deleted=st.booleans(),
        view=st.sampled_from(["", "map"]),
        limit=st.sampled_from([25, 50, 200]),
    )
)
def test_every_state_is_in_its_address(state: CatalogState) -> None:
    pairs = parse_qsl(urlsplit(state.address()).query, keep_blank_values=True)
    assert read_state(pairs) == state


@calm
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60))
def test_areas_are_as_large_as_their_shares(sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    whole = Place(0, 0, 1200, 560)
    places = squarify(sizes, whole)
    for size, place in zip(sizes, places, strict=True):
        assert math.isclose(place.width * place.height, 1200 * 560 * size / sum(sizes), rel_tol=1e-6)
        assert place.x + place.width <= 1200.001
        assert place.y + place.height <= 560.001


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("", {}), ("team:vision", {"state": ["Completed"]}), ("alpha OR beta", {"env": ["dev", "prod"]}),
     ("", {"env": ["(none)"]}), ("", {"env": ["(any)"], "state": ["InProgress", "Completed"]}),
     ("", {"resource_config.instance_type": ["ml.m5.xlarge"]}), ("", {"tags": ["env:dev"]})],
)  # fmt: skip
def test_choices_as_text_find_the_same(sample: SampleCatalog, text: str, chosen: dict[str, list[str]]) -> None:
    with open_reading(sample.path) as catalog:
        by_choice = search(catalog, text, chosen=chosen)
        by_text = search(catalog, with_choices(text, chosen))
    assert {row.key for row in by_choice.rows} == {row.key for row in by_text.rows}


def steps(start: Node, count: int, kind: str) -> list[Step]:
    seen = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC
    found = []
    for number in range(count):
        source = Node(kind, f"arn:x:{number}", "1", "r")
        found.append(Step(1, "in", Edge(source, "role_arn", "role_arn", start.id, start.type, start, seen), None))
    return found


def test_many_alike_are_one_node_that_leads_to_a_search() -> None:
    start = Node("aws_iam_role", "arn:aws:iam::1:role/a", "1", "global")
    few, many = steps(start, 3, "aws_lambda_function"), steps(start, 40, TYPE)
    view = relations_view([Walk(start, (*few, *many), more=False)])
    assert len(view.nodes) == 1 + 3 + 1
    assert len(view.rows) == 43
    one = next(node for node in view.nodes if node.kind == "many")
    assert one.above.startswith("40 of ")
    assert read_state(parse_qsl(urlsplit(one.address).query)).q == 'role_arn:"arn:aws:iam::1:role/a"'
    assert {node.layer for node in view.nodes} == {0, -1}
    assert len(relations_view([Walk(start, (*few, *many), more=False)], only=TYPE).nodes) == 2
    assert node_of(node_key(start)) == start
    assert node_of("nonsense") is None
