"""The catalog page as a browser without scripts sees it, and what htmx is answered."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from sample_catalog import ACCOUNT, REGION, TYPE, SampleCatalog, arn, job, training_job, write_sweep
from stocktake.query.search.run import search
from stocktake.serve.gate.config import Role
from stocktake.serve.web import found as asking
from stocktake.serve.web import rendering
from stocktake.store.catalog import open_catalog
from stocktake.store.ledger import Coverage, Ledger
from stocktake.store.resource_index import refresh_resources
from stocktake.store.type_tables import ensure_tables
from web_server import Served, serving

FAR = Role("far", accounts=("999988887777",), can_edit=True)
READER = Role("reader")
NASTY = '"><img src=x onerror=alert(1)>'
HTMX = {"hx-request": "true"}
TYPED = HTMX | {"stocktake-typed": "1"}


@pytest.fixture(scope="module")
def served(sample: SampleCatalog) -> Iterator[Served]:
    with serving(sample.path, roles=(FAR, READER)) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with closing(served.client()) as one:
        yield one


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, sample: SampleCatalog) -> Iterator[httpx.Client]:
    """Names and tags that would be markup, in a scope that was not read the last time."""
    path = tmp_path_factory.mktemp("hostile") / "catalog.duckdb"
    with open_catalog(path) as catalog:
        ensure_tables(catalog, training_job(), sample.first)
        home = Coverage(ACCOUNT, REGION, TYPE, sample.first, calls=1, listed=1, read=1, new=1)
        row = job(NASTY, tags=[f"team:{NASTY}", "</script><script>alert(2)</script>:x"], failure_reason=NASTY)
        write_sweep(catalog, sample.first, [NASTY], [row], [home])
        denied = Coverage(ACCOUNT, REGION, TYPE, sample.second, status="denied", calls=1, reason="no <b>access</b>")
        denied.missing_permission = "sagemaker:ListTrainingJobs"
        write_denied(catalog, sample, denied)
    with serving(path) as server, closing(server.client()) as one:
        yield one


def write_denied(catalog: Any, sample: SampleCatalog, denied: Coverage) -> None:
    ledger = Ledger(catalog, sample.second)
    denied.finished_at = sample.second
    ledger.write_coverage(denied)
    refresh_resources(catalog)
    ledger.finish("gaps", 1, sample.second)


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def get(client: httpx.Client, address: Any = "/", headers: Any = None, **parameters: Any) -> str:
    answer = client.get(address, params=parameters or None, headers=headers or {}, follow_redirects=True)
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


def facet(page: str, key: str) -> dict[str, tuple[int, bool]]:
    """Return a facet's values with their counts, and whether each is chosen."""
    begin = rf'<details class="facet" open data-facet="{re.escape(key)}">'
    box = re.search(rf'{begin}(.*?)(?=<details class="facet)', page, re.DOTALL)
    assert box is not None, key
    found = {}
    for line in re.findall(r"<li class=\"value.*?</li>", box[1], re.DOTALL):
        value = re.search(r'<input type="checkbox"[^>]* value="([^"]*)"', line)
        number = re.search(r'class="only"[^>]*>([\d,]+)<', line)
        assert value is not None
        assert number is not None
        found[html.unescape(value[1])] = (int(number[1].replace(",", "")), " checked" in line)
    return found


def names(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'<th scope="row" class="clip"><a [^>]*>([^<]*)</a>', page)]


def total(page: str) -> int:
    found = re.search(r'class="total"[^>]*><strong>([\d,]+)</strong>', page)
    assert found is not None
    return int(found[1].replace(",", ""))


def heads(page: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]* title="([^"]*)"', page)


def test_what_is_held_is_listed_and_counted(client: httpx.Client) -> None:
    page = get(client)
    assert total(page) == 3
    assert sorted(names(page)) == ["alpha", "beta", "delta"]
    assert facet(page, "state") == {"InProgress": (2, False), "Completed": (1, False)}
    assert facet(page, "type") == {TYPE: (3, False)}
    # What could not be read is no emptiness.
    assert "1 scope was denied" in page


def test_all_of_it_comes_from_one_search(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*given: Any, **named: Any) -> Any:
        asked.append(named["facets"])
        return search(*given, **named)

    monkeypatch.setattr(asking, "search", counted)
    page = get(client, **{"q": "team:vision", "f.state": "Completed", "facet": "env", "headers": HTMX})
    assert total(page) == 1
    assert len(asked) == 1
    assert {"env", "type", "state"} <= set(asked[0])


def test_a_facet_leaves_its_own_choice_out(client: httpx.Client) -> None:
    page = get(client, **{"f.state": "Completed"})
    assert names(page) == ["alpha"]
    assert facet(page, "state") == {"InProgress": (2, False), "Completed": (1, True)}
    both = get(client, **{"f.state": ["Completed", "InProgress"]})
    assert total(both) == 3
    nothing = get(client, **{"f.state": "Failed"})
    # What is chosen stays to be taken back, though nothing has it.
    assert total(nothing) == 0
    assert facet(nothing, "state")["Failed"] == (0, True)
    assert "Nothing was found" in nothing


def test_any_tag_and_any_field_is_pinned_by_the_address(client: httpx.Client) -> None:
    page = get(client, facet=["env", "resource_config.instance_type"])
    assert facet(page, "env") == {"dev": (1, False), "prod": (1, False), "(none)": (1, False)}
    assert facet(page, "resource_config.instance_type") == {"ml.m5.xlarge": (3, False)}
    assert names(get(client, **{"facet": "env", "f.env": "(none)"})) == ["delta"]


def test_one_type_brings_its_own_columns(client: httpx.Client) -> None:
    shown = heads(get(client))
    assert {"name", "state", "resource_config.instance_type", "tags"} <= set(shown)
    chosen = get(client, cols="name,billable_time_in_seconds,env,environment")
    assert heads(chosen) == ["name", "billable_time_in_seconds", "env", "environment"]
    assert "3,600" in chosen
    assert "fast, =1+1" in chosen


def test_groups_and_their_map_lead_on(client: httpx.Client) -> None:
    page = get(client, group="state")
    assert names(page) == ["InProgress", "Completed"]
    link = re.search(r'<a href="([^"]*)">Completed</a>', page)
    assert link is not None
    assert names(get(client, html.unescape(link[1]))) == ["alpha"]
    drawn = get(client, view="map", group="state")
    assert drawn.count('class="area ') == 2
    assert "<title>InProgress: 2" in drawn


def test_pages_go_on(client: httpx.Client) -> None:
    page = get(client, sort="name", limit="25")
    assert names(page) == ["alpha", "beta", "delta"]
    assert 'aria-sort="ascending"' in page
    assert 'rel="next"' not in page


def test_a_search_that_is_wrong_says_where(client: httpx.Client) -> None:
    page = get(client, q="team:vision (state:")
    assert '<pre class="excerpt">team:vision (<mark>state:</mark></pre>' in page
    assert "There is no value after state:" in page
    for wrong in ({"sort": "nothing"}, {"as_of": "some day"}, {"after": "what"}):
        assert 'class="notice bad"' in get(client, **wrong)


def test_half_a_search_is_no_mistake_while_it_is_typed(client: httpx.Client) -> None:
    answer = client.get("/", params={"q": "team:vision state:"}, headers=TYPED)
    assert names(answer.text) == ["alpha", "beta"]
    assert "<html" not in answer.text
    assert answer.headers["hx-replace-url"] == "/?q=team:vision+state:"
    broken = client.get("/", params={"q": "team:vision )"}, headers=TYPED)
    assert broken.headers["hx-retarget"] == "#trouble"
    assert "<mark>" in broken.text
    chosen = client.get("/", params={"q": " a ", "f.region": REGION, "group": ""}, headers=HTMX)
    assert chosen.headers["hx-push-url"] == f"/?q=a&f.region={REGION}"


def test_the_past_and_what_is_gone(client: httpx.Client, sample: SampleCatalog) -> None:
    then = get(client, as_of=sample.first.isoformat().replace("+00:00", "Z"))
    assert sorted(names(then)) == ["alpha", "beta", "gamma"]
    gone = get(client, deleted="1")
    assert names(gone) == ["gamma"]
    assert 'class="badge mute">deleted' in gone
    assert "What is deleted is not exported" in gone


def test_stale_looks_different(hostile: httpx.Client, client: httpx.Client) -> None:
    assert '<tr data-row class="stale">' in get(hostile)
    assert 'class="stale"' not in get(client)
    assert facet(get(hostile), "stale") == {"true": (1, False)}


def test_nothing_of_a_name_or_a_tag_is_markup(hostile: httpx.Client) -> None:
    key = arn(NASTY)
    pages = [get(hostile), get(hostile, group="team"), get(hostile, view="map", group="team")]
    pages.append(get(hostile, panel=key))
    pages += [
        get(hostile, "/resource", key=key, tab=tab) for tab in ("", "fields", "definition", "relations", "timeline")
    ]
    pages.append(get(hostile, q=NASTY.replace('"', '\\"')))
    for page in pages:
        assert "<img" not in page
        assert "alert(2)</script>" not in page
        assert "<b>access" not in page
        # The policy forbids styles and scripts inside a page: one of ours would not work.
        tags = Tags()
        tags.feed(page)
        assert not [name for _, attributes in tags.seen for name in attributes if name == "style" or name[:2] == "on"]
        assert all("src" in attributes for tag, attributes in tags.seen if tag == "script")


def test_views_and_columns_are_kept_by_each_for_themselves(served: Served, client: httpx.Client) -> None:
    address = "/?q=team:vision&cols=name,env&group=state"
    for kind in ("view", "columns"):
        answer = client.post("/catalog/saved", data={"kind": kind, "name": f"my {kind} <b>", "address": address})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/?q=team:vision&group=state&cols=name,env"
    page = get(client)
    assert '<a class="item grow" href="/?q=team:vision&amp;group=state&amp;cols=name,env">my view &lt;b&gt;</a>' in page
    assert '<a class="item grow" href="/?cols=name,env">my columns &lt;b&gt;</a>' in page
    with closing(served.client("far", "somebody else")) as other:
        assert "my view" not in get(other)
        found = re.search(r'name="kind" value="view"><input type="hidden" name="id" value="(\w+)"', page)
        assert found is not None
        refused = other.post("/catalog/saved/remove", data={"kind": "view", "id": found[1], "address": "/"})
        assert refused.status_code == 404
    removed = client.post("/catalog/saved/remove", data={"kind": "view", "id": found[1], "address": "/"})
    assert removed.status_code == 303
    assert "my view" not in get(client)


def test_a_view_is_an_address_of_this_page_alone(served: Served, client: httpx.Client) -> None:
    for address in ("https://elsewhere.example/?q=a", "//elsewhere.example/?q=a", "/sql?q=a", "javascript:alert(1)"):
        answer = client.post("/catalog/saved", data={"kind": "view", "name": "away", "address": address})
        assert answer.headers["location"] == "/"
    with closing(served.client("reader", "reader")) as reader:
        answer = reader.post("/catalog/saved", data={"kind": "view", "name": "mine", "address": "/"})
        assert answer.status_code == 403
        assert "Save this view" not in get(reader)


def test_the_file_has_what_the_page_has(client: httpx.Client) -> None:
    page = get(client, **{"q": "team:vision", "f.state": ["Completed", "(none)"], "f.env": "(any)"})
    link = re.search(r'<a class="item" href="([^"]*form=csv[^"]*)" download>', page)
    assert link is not None
    rows = list(csv.DictReader(io.StringIO(client.get(html.unescape(link[1])).text)))
    assert [row["name"] for row in rows] == names(page) == ["alpha"]


def test_completion_answers_as_the_search_box_asks(client: httpx.Client) -> None:
    answer = client.get("/catalog/complete", params={"q": "team:v"}).json()
    assert answer == {"start": 5, "end": 6, "suggestions": [{"text": "vision", "kind": "value", "detail": "2"}]}


def test_what_is_out_of_reach_is_as_if_it_were_not_there(served: Served) -> None:
    with closing(served.client("far", "far")) as far:
        page = get(far, facet="env")
        assert total(page) == 0
        assert "denied" not in page
        assert '<option value="team">' not in page
        assert not facet(page, "env")
        for parameters in ({"q": "team:vision"}, {"deleted": "1"}, {"as_of": "yesterday"}, {"group": "env"}):
            assert total(get(far, **parameters)) == 0
        assert far.get("/catalog/complete", params={"q": "env:"}).json()["suggestions"] == []
        assert "alpha" not in get(far, panel=arn("alpha")).replace(arn("alpha"), "").replace("alpha&#39;", "")
        for tab in ("", "fields", "relations", "timeline", "diff", "policies"):
            refused = far.get("/resource", params={"key": arn("alpha"), "tab": tab})
            assert refused.status_code == 404


def test_pages_come_without_what_npm_makes(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = rendering.has_asset
    monkeypatch.setitem(rendering.environment().globals, "has_asset", lambda name: "built" not in name and real(name))
    page = get(client)
    assert "built/htmx.js" not in page
    assert names(page)
