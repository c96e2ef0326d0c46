"""What searches find: as the data file says, as plain Python finds it, and the same from every place rows come from."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search_estate
from search_estate import Row
from search_oracle import at_path, finds
from stocktake.core.errors import UserError
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
from stocktake.query.search.completion import complete
from stocktake.query.search.errors import SearchError
from stocktake.query.search.page import FoundResource
from stocktake.query.search.parser import parse
from stocktake.query.search.run import search
from stocktake.query.search.syntax import And, Between, Compares, IsSet, Matches, Node, Not, Or, Term, Wild, to_text
from stocktake.store.catalog import Catalog, open_catalog, run

DATA = tomllib.loads((Path(__file__).parent / "search_pairs.toml").read_text(encoding="utf-8"))


@dataclass
class Estate:
    path: Path
    catalog: Catalog
    rows: list[Row]
    first: datetime
    now: datetime

    def find(self, text: str, **more: Any) -> list[str]:
        return sorted(row.key for row in search(self.catalog, text, limit=10_000, now=self.now, **more).rows)

    def called(self, text: str, **more: Any) -> set[str]:
        page = search(self.catalog, text, limit=10_000, now=self.now, **more)
        return {label(row.type, row.name, row.region) for row in page.rows}

    def expected(self, node: Node) -> list[str]:
        return sorted(row.id for row in self.rows if finds(node, row, self.now))


def label(type_name: str, name: str | None, region: str) -> str:
    """Return how the data file names a resource; what only has a made-up id, by its type."""
    short = type_name.split("_", 2)[2]
    known = name if name and not name.startswith(("vpc-", "vol-")) and len(name) < 30 else ""
    return f"{short} {known}".strip() + ("" if region in {"us-east-1", "global"} else f" {region}")


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    path = tmp_path_factory.mktemp("estate") / "catalog.duckdb"
    first, _ = search_estate.build(path)
    with open_reading(path) as catalog:
        yield Estate(
            path, catalog, search_estate.read_rows(catalog.connection), first, datetime.now(UTC) + timedelta(minutes=1)
        )


@pytest.mark.parametrize("case", DATA["found"], ids=lambda case: case["search"])
def test_a_search_finds_what_the_data_file_says(estate: Estate, case: dict[str, Any]) -> None:
    assert estate.called(case["search"]) == set(case["finds"])
    assert estate.find(case["search"]) == estate.expected(parse(case["search"]))


def test_nothing_typed_finds_everything(estate: Estate) -> None:
    assert estate.find("") == sorted(row.id for row in estate.rows)


KEYS = [
    "name",
    "type",
    "service",
    "region",
    "account",
    "state",
    "status",
    "key",
    "tags",
    "created",
    "changed_at",
    "stale",
]
KEYS += ["team", "Team", "env", "empty", "map", "tags.team", "map:migrated", "ttl", "nothing", "cost-center", "note"]
PATHS = ["training_job_name", "resource_config.instance_type", "ResourceConfig.InstanceCount", "@state", "size"]
PATHS += ["input_data_config.channel_name", "hyper_parameters.epochs", "hyper_parameters.lr.0", "hyper_parameters"]
PATHS += ["vpc_config.subnets", "enable_managed_spot_training", "creation_time", "volume_type", "is_default"]
PATHS += [
    "stopping_condition.max_runtime_in_seconds",
    "attributes.DelaySeconds",
    "vpc_config",
    "algorithm_specification.x",
]


def words_of(rows: list[Row]) -> list[str]:
    """Return texts that are worth a search: values, whole and cut, of the estate and of none."""
    found = [
        "orders",
        "OR",
        "a",
        "5",
        "30",
        "100",
        "true",
        "no",
        "1e2",
        "2026-01-31",
        "now-1d",
        "now",
        "today",
        "%",
        "_",
    ]
    for row in rows:
        found += [row.name or "", row.state or "", row.region, row.type, row.id, *row.tags]
        for path in PATHS:
            found += [str(value) for value in at_path(row.document, row.kinds, path) if not isinstance(value, dict)]
    return sorted({text for text in found if text} | {text[1:-1] for text in found if len(text) > 4})


def searches(texts: list[str]) -> st.SearchStrategy[Node]:
    text = st.one_of(st.sampled_from(texts), st.text(alphabet='ab-:*?"\\ %_(1é', min_size=1, max_size=3))
    pieces = st.lists(st.one_of(text, st.sampled_from([Wild.ANY, Wild.ONE])), min_size=1, max_size=3)
    matches = st.one_of(text.map(lambda one: Matches((one,))), pieces.map(lambda parts: parse_back(tuple(parts))))
    bound = st.sampled_from(["5", "10", "3600", "1.5", "now-1d", "now", "2026-01-31", "m", "a", "true"])
    edge = st.one_of(st.none(), bound)
    tests = st.one_of(
        matches,
        st.just(IsSet()),
        st.builds(Compares, st.sampled_from([">", ">=", "<", "<="]), bound),
        st.builds(Between, edge, edge, st.booleans(), st.booleans()),
    )
    keyed = st.builds(Term, st.sampled_from(KEYS + PATHS), tests)
    terms = st.one_of(keyed, keyed, st.builds(Term, st.none(), matches))
    return st.recursive(
        terms,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        ),
        max_leaves=4,
    )


def parse_back(parts: tuple[str | Wild, ...]) -> Matches:
    """Return a pattern as the parser would have made it."""
    term = parse(to_text(Term("k", Matches(parts))))
    assert isinstance(term, Term)
    return term.test if isinstance(term.test, Matches) else Matches(("x", Wild.ANY))


def test_searches_find_what_plain_python_finds(estate: Estate) -> None:
    """From the search table, and about a moment from the types' own tables."""
    unfit = Counter[str]()

    @settings(max_examples=150, deadline=None)
    @given(tree=searches(words_of(estate.rows)), past=st.booleans())
    def check(tree: Node, *, past: bool) -> None:
        node = parse(to_text(tree))
        found = outcome(estate, to_text(tree), as_of=estate.now if past else None)
        if isinstance(found, SearchError):
            unfit[found.code] += 1
            assert found.code == "search_value"
            assert found.end <= len(to_text(tree))
            return
        assert found == estate.expected(node), to_text(tree)

    check()
    assert sum(unfit.values()) < 75


def outcome(estate: Estate, text: str, **more: Any) -> list[str] | SearchError:
    try:
        return estate.find(text, **more)
    except SearchError as error:
        return error


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="ab:*?\"\\ ()-><[]TORNADé'%_;$1.@\x00\n", max_size=25))
def test_whatever_is_typed_is_answered_or_pointed_at(estate: Estate, text: str) -> None:
    found = outcome(estate, text, half_typed=True)
    if isinstance(found, SearchError):
        assert found.code.startswith("search_")
        assert 0 <= found.position <= len(text)
    assert complete(estate.catalog, text).end == len(text)


def test_a_search_before_the_first_sweep_has_ended(estate: Estate, tmp_path: Path) -> None:
    """The search table is empty then: types' own tables answer."""
    path = tmp_path / "copy.duckdb"
    path.write_bytes(estate.path.read_bytes())
    with open_catalog(path) as catalog:
        run(catalog.connection, "DELETE FROM catalog_meta WHERE key = 'resources_known_sweep'")
        run(catalog.connection, "DELETE FROM resource_index")
        run(catalog.connection, "DELETE FROM resource_scopes")
        for text in ("", "team:*", "orders -env:*", "resource_config.instance_count:>1", "region:us-* service:sqs"):
            page = search(catalog, text, facets=["region", "team"], limit=100, now=estate.now)
            there = search(estate.catalog, text, facets=["region", "team"], limit=100, now=estate.now)
            assert sorted(row.key for row in page.rows) == sorted(row.key for row in there.rows)
            assert page.facets == there.facets


def test_as_of_a_moment(estate: Estate) -> None:
    assert "queue audit" in estate.called("service:sqs", as_of=estate.first)
    assert "queue later" not in estate.called("service:sqs", as_of=estate.first)
    assert "queue audit" not in estate.called("service:sqs")
    assert estate.called("env:prod", as_of=estate.first) == {"queue orders"}
    assert estate.called("env:prod") == set()
    assert estate.called("", as_of=estate.first - timedelta(days=1)) == set()


def test_the_past_of_all_resources_is_what_a_search_about_it_finds(estate: Estate) -> None:
    for moment in (estate.first, estate.now, estate.first - timedelta(days=1)):
        rows = search(estate.catalog, "", limit=1_000, sort="key", as_of=moment).rows
        told = run(
            estate.catalog.connection,
            "SELECT key, type, provider, service, account_id, region, name, state, tags, created_at, first_seen_at, "
            f"last_seen_at, changed_at, stale FROM resources_as_of('{moment.replace(tzinfo=None)}') ORDER BY key",
        )
        names = [name for name in FoundResource.__dataclass_fields__ if name != "deleted_at"]
        assert [tuple(getattr(row, name) for name in names) for row in rows] == told
        asked = "SELECT count(*) FROM resources"
        assert list(run_query(estate.catalog, asked, as_of=moment.replace(tzinfo=UTC)).rows()) == [(len(told),)]


def test_what_is_deleted(estate: Estate) -> None:
    assert estate.called("", deleted=True) == {"queue audit"}
    assert estate.called("orders", deleted=True) == set()
    [row] = search(estate.catalog, "name:audit", deleted=True).rows
    assert row.deleted_at is not None
    assert row.changed_at < estate.first < row.deleted_at
    assert row.first_seen_at == row.changed_at


def test_a_moment_tells_when_scopes_were_known_then(estate: Estate) -> None:
    for row in search(estate.catalog, "", as_of=estate.first, limit=100).rows:
        assert not row.stale
        assert row.changed_at <= row.last_seen_at <= estate.first
    assert estate.called("stale:true OR last_seen:>now-0s", as_of=estate.first) == set()


def test_a_found_resource_is_what_the_view_says(estate: Estate) -> None:
    for moment in (None, estate.now):
        rows = search(estate.catalog, "", limit=1_000, sort="key", now=estate.now, as_of=moment).rows
        names = [name for name in rows[0].__dataclass_fields__ if name != "deleted_at"]
        told = run(estate.catalog.connection, f"SELECT {', '.join(names)} FROM resources ORDER BY key")
        assert [tuple(getattr(row, name) for name in names) for row in rows] == told


FACETS = (
    "type",
    "region",
    "state",
    "team",
    "env",
    "resource_config.instance_type",
    "input_data_config.channel_name",
    "tags",
)


def facet_values(row: Row, key: str) -> list[str]:
    match key:
        case "type" | "region":
            return [getattr(row, key)]
        case "state":
            return [row.state] if row.state is not None else []
        case "tags":
            return row.tags
        case "team" | "env":
            return [tag.partition(":")[2] for tag in row.tags if tag.lower().startswith(f"{key}:")][:1]
    return sorted({str(value) for value in at_path(row.document, row.kinds, key) if value is not None})


def test_facets_count_what_brute_force_counts(estate: Estate) -> None:
    choices = st.sampled_from(["(none)", "(any)", "vision", "shop", "us-east-1", "ACTIVE", "available", "train", "dev"])
    chosen = st.dictionaries(
        st.sampled_from(FACETS), st.lists(choices, min_size=1, max_size=2, unique=True), max_size=3
    )
    texts = st.sampled_from(
        ["", "team:*", "-team:*", "orders", "resource_config.instance_count:*", "service:sqs OR env:dev"]
    )

    @settings(max_examples=40, deadline=None)
    @given(text=texts, picked=chosen, group=st.sampled_from(FACETS), past=st.booleans())
    def check(text: str, picked: dict[str, list[str]], group: str, past: bool) -> None:
        page = search(
            estate.catalog,
            text,
            facets=FACETS,
            chosen=picked,
            group_by=group,
            limit=1_000,
            as_of=estate.now if past else None,
            now=estate.now,
        )
        found = [row for row in estate.rows if finds(parse(text), row, estate.now)]

        def count(key: str, but: str | None) -> Counter[str | None]:
            of = [row for row in found if all(fits(row, other, picked[other]) for other in picked if other != but)]
            return Counter(value for row in of for value in (*facet_values(row, key),) or (None,))

        whole = [row for row in found if all(fits(row, key, picked[key]) for key in picked)]
        assert page.total == len(page.rows) == len(whole)
        for facet in page.facets:
            assert {one.value: one.count for one in facet.values} == count(facet.key, facet.key)
            assert facet.distinct == sum(one.value is not None for one in facet.values)
            assert {one.value for one in facet.values if one.chosen} <= {*picked.get(facet.key, []), None}
        assert page.groups is not None
        assert {one.value: one.count for one in page.groups.values} == count(group, None)

    check()


def fits(row: Row, key: str, chosen: list[str]) -> bool:
    values = facet_values(row, key)
    return bool({*values} & {*chosen}) or ("(none)" in chosen and not values) or ("(any)" in chosen and bool(values))


@pytest.mark.parametrize("sort", ["name", "-name", "type", "-region", "state", "-state", "created_at", "key", "-stale"])
@pytest.mark.parametrize("past", [False, True])
def test_pages_make_the_whole_in_order(estate: Estate, sort: str, past: bool) -> None:
    more: dict[str, Any] = {"sort": sort, "now": estate.now, "as_of": estate.now if past else None}
    whole = search(estate.catalog, "", limit=1_000, **more).rows
    values = [getattr(row, sort.removeprefix("-")) for row in whole]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert values[len(known) :] == [None] * (len(values) - len(known))
    pages: list[FoundResource] = []
    after = None
    while True:
        page = search(estate.catalog, "", limit=5, after=after, **more)
        pages += page.rows
        after = page.after
        if after is None:
            break
    assert pages == list(whole)
    assert search(estate.catalog, "", limit=5, offset=5, **more).rows == whole[5:10]


def test_a_page_goes_on_though_rows_have_moved(estate: Estate, tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    path.write_bytes(estate.path.read_bytes())
    with open_catalog(path) as catalog:
        whole = [row.key for row in search(catalog, "", limit=100).rows]
        first = search(catalog, "", limit=6)
        run(catalog.connection, "CREATE TABLE moved AS FROM resource_index ORDER BY hash(id)")
        run(catalog.connection, "DELETE FROM resource_index")
        run(catalog.connection, "INSERT INTO resource_index FROM moved")
        rest = [row.key for row in search(catalog, "", limit=100, after=first.after).rows]
        assert {*whole} == {row.key for row in first.rows} | {*rest} or len({*rest} & {*whole}) >= len(whole) - 12


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("a resource_config.instance_count:many", "many"),
        ("created:>soon", ">soon"),
        ("stale:perhaps", "perhaps"),
        ("stopping_condition:5", "5"),
        ('-(size:[1 TO "two"])', '[1 TO "two"]'),
        ("enable_managed_spot_training:>1", ">1"),
    ],
)
def test_a_value_of_another_kind_is_pointed_at(estate: Estate, text: str, mark: str) -> None:
    with pytest.raises(SearchError) as caught:
        search(estate.catalog, text)
    assert caught.value.code == "search_value"
    assert text[caught.value.position : caught.value.end] == mark


def test_a_key_that_nothing_has_is_noted(estate: Estate) -> None:
    page = search(estate.catalog, "orders tema:shop")
    [note] = page.notes
    assert (page.total, note.span.start, note.span.end) == (0, 7, 12)
    assert "team" in note.hint
    assert search(estate.catalog, "-tema:*").total == len(estate.rows)
    assert search(estate.catalog, "team:nobody").notes == ()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"sort": "color"}, "search_sort"),
        ({"sort": "tags"}, "search_sort"),
        ({"after": "nonsense"}, "search_page"),
        ({"after": "WzFd"}, "search_page"),
        ({"limit": -1}, "search_page"),
        ({"limit": 10_001}, "search_page"),
        ({"offset": -1}, "search_page"),
        ({"types": ["aws_no_such"]}, "type_not_held"),
    ],
)
def test_other_arguments_that_make_no_sense(estate: Estate, more: dict[str, Any], code: str) -> None:
    with pytest.raises(UserError) as caught:
        search(estate.catalog, "", **more)
    assert caught.value.code == code


def test_the_same_through_a_process_that_has_the_catalog_open(estate: Estate, tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    path.write_bytes(estate.path.read_bytes())
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        with open_reading(path, 10.0) as catalog:
            for text in ("team:*", "resource_config.instance_count:>1 creation_time:>now-7d", "orders", "size:>10"):
                for moment in (None, estate.first):
                    more: dict[str, Any] = {"facets": FACETS, "as_of": moment, "now": estate.now, "limit": 3}
                    assert search(catalog, text, **more) == search(estate.catalog, text, **more)
    finally:
        owner.kill()
        owner.wait()


OWNER = """
import sys
from pathlib import Path
from stocktake.query.serving import READ, lock_down, serve_reader
from stocktake.store.owner import CatalogOwner, join_catalog

joined = join_catalog(Path(sys.argv[1]), "write", "0", wait_seconds=10)
lock_down(joined.catalog)
owner = CatalogOwner(joined.catalog, joined.turn, {READ: serve_reader})
print("ready", flush=True)
sys.stdin.read()
"""


def test_types_narrow(estate: Estate) -> None:
    assert estate.called("orders", types=["aws_sqs_queue"]) == estate.called("orders type:aws_sqs_queue")
    assert estate.called("", types=["queue", "ecs_cluster"]) == estate.called("type:(queue OR cluster)")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("te", "tag", "team:"),
        ("orders -en", "tag", "env:"),
        ("team:v", "value", "vision"),
        ("(name:x OR team:sh", "value", "shop"),
        ("type:queue team:", "value", "shop"),
        ("resource_config.instance_t", "field", "resource_config.instance_type:"),
        ("resource_config.instance_type:p4", "value", "ml.p4d.24xlarge"),
        ("creation_time:", "value", ">now-7d"),
        ("created:>now", "value", ">now-7d"),
        ("state:", "value", "ACTIVE"),
        ("map", "tag", "map:"),
        ('name:"main', "value", '"main net"'),
    ],
)
def test_completion(estate: Estate, text: str, kind: str, expected: str) -> None:
    found = complete(estate.catalog, text)
    assert (expected, kind) in {(one.text, one.kind) for one in found.suggestions}
    whole = text[: found.start] + expected + text[found.end :]
    parse(whole, half_typed=True)


def test_completion_in_the_middle(estate: Estate) -> None:
    found = complete(estate.catalog, "team:v name:x", 6)
    assert (found.start, found.end) == (5, 6)
    assert found.suggestions == ()
    assert [one.text for one in complete(estate.catalog, "team:v region:us-east-1", 6).suggestions] == ["vision"]
