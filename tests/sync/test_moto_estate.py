"""A whole estate in moto's server, synced by one command, and compared with what boto3 answers.

Calls, resources and edges are data: `moto_estate.toml` and `moto_estate_edges.toml`, which anyone can extend.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from boto3_answers import Boto3Answers
from model_values import differences
from moto_estate import ESTATE, PATIENT, filled, is_called, moto_estate
from stocktake.core.progress import Silent
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types, load_type
from stocktake.resource_types.spec import ResourceType
from stocktake.store.catalog import Catalog, open_catalog, run
from stocktake.sync import SyncRequest, run_sync

EDGES = tomllib.loads((Path(__file__).parent / "moto_estate_edges.toml").read_text())
FINDS: dict[str, list[str]] = ESTATE["finds"]
UNEQUAL: dict[str, str] = ESTATE["unequal"]
UNSTEADY: dict[str, str] = ESTATE["unsteady"]
PARTIAL: dict[str, str] = ESTATE["partial"]
_ANSWERS_COMPARED = 20
_TRIES = 2


@dataclass(frozen=True)
class Command:
    """A sync that has ended."""

    exit_code: int
    summary: str
    progress: str


class Running:
    """A sync of everything, as anyone would run it."""

    def __init__(self, url: str, catalog: Path) -> None:
        words = (sys.executable, "-m", "stocktake", "sync", "--endpoint-url", url, "--catalog", str(catalog))
        self._files = [catalog.with_suffix(suffix) for suffix in (".stdout", ".stderr")]
        with self._files[0].open("w") as stdout, self._files[1].open("w") as stderr:
            self._process = subprocess.Popen(words, stdout=stdout, stderr=stderr)

    def ended(self) -> Command:
        return Command(self._process.wait(timeout=1_200), *(path.read_text() for path in self._files))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Estate:
    """The estate, synced once; the second sync runs beside the tests, on another copy of the catalog."""

    url: str
    kept: dict[str, str]
    catalog: Catalog
    """As the first sync left it, open for reading: opening one with so many tables takes a while."""
    first: Command
    second_catalog: Path
    under_way: Running
    answers: Boto3Answers
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @cached_property
    def second(self) -> Command:
        return self.under_way.ended()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self.catalog.connection, sql)

    def rows(self, type_name: str) -> list[dict[str, Any]]:
        if type_name not in self._rows:
            self._rows[type_name] = rows_of(self.catalog, type_name)
        return self._rows[type_name]

    def ids(self, type_name: str, wanted: str) -> set[str]:
        """Return the ids of what is called so."""
        name = filled(wanted, self.kept)
        return {row["_id"] for row in self.rows(type_name) if is_called(row, name)}

    def synced_anew(self, folder: Path, types: tuple[str, ...]) -> Path:
        """Sync some types into a catalog of their own, twice."""
        catalog = Path(tempfile.mkdtemp(dir=folder)) / "c.duckdb"
        for _ in range(2):
            run_sync(SyncRequest(catalog=catalog, endpoint_url=self.url, types=types), Silent())
        return catalog


def rows_of(catalog: Catalog, type_name: str) -> list[dict[str, Any]]:
    names = [row[0] for row in run(catalog.connection, f"DESCRIBE {type_name}")]
    return [dict(zip(names, row, strict=True)) for row in run(catalog.connection, f"FROM {type_name}")]


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("estate")
    first, second = folder / "first.duckdb", folder / "second.duckdb"
    with moto_estate() as (url, kept):
        command = Running(url, first).ended()
        for path in folder.glob("first.duckdb*"):
            shutil.copy(path, folder / path.name.replace("first", "second"))
        under_way = Running(url, second)
        answers = Boto3Answers(url, PATIENT, account_id="123456789012", region="us-east-1")
        with open_catalog(first, read_only=True) as catalog:
            yield Estate(url, kept, catalog, command, second, under_way, answers)
        under_way.kill()


def test_the_estate_is_wide_enough() -> None:
    services = {load_type(name, open_models()).service for name in FINDS}
    assert len(services) >= 60
    assert len(FINDS) >= 150
    assert len(EDGES["edges"]) >= 200


# -- one command -------------------------------------------------------------------------------------------------------


def test_one_command_asks_for_every_type_and_tells_how_it_goes(estate: Estate) -> None:
    asked = {row[0] for row in estate.query("SELECT type FROM coverage")}
    assert asked == {one.name for one in list_types(open_models())}
    assert estate.first.exit_code == 3, estate.first.summary
    told = [re.search(r"([\d,]+) of ([\d,]+) scopes done", line) for line in estate.first.progress.splitlines()]
    done = [int(found[1].replace(",", "")) for found in told if found]
    assert done == sorted(done)
    assert done[-1] == len(asked)
    assert len(done) >= 3


def test_what_could_not_be_read_is_what_moto_does_not_have(estate: Estate) -> None:
    rows = estate.query("SELECT type, status, reason FROM coverage WHERE status NOT IN ('complete', 'unsupported')")
    broken = {name: (status, reason) for name, status, reason in rows}
    assert not {name: broken[name] for name in broken.keys() & FINDS.keys()}
    assert {name for name, (status, _) in broken.items() if status == "partial"} == set(PARTIAL)
    page = re.compile(r"\b(404|500)\b.*")
    assert not {name: said for name, said in broken.items() if name not in PARTIAL and not page.search(said[1])}
    unsupported = estate.query("SELECT DISTINCT split_part(type, '_', 2) FROM coverage WHERE status = 'unsupported'")
    assert {row[0] for row in unsupported} == set(ESTATE["unsupported"])


def test_the_summary_names_every_gap_with_its_reason(estate: Estate) -> None:
    rows = estate.query("SELECT type, status, tags_status FROM coverage")
    gaps = {name: status for name, status, _ in rows if status != "complete"}
    told: dict[str, str] = {}
    status = ""
    for line in estate.first.summary.splitlines():
        header = re.match(r"gap: [\d,]+ scopes? (\w+): \S|(unsupported): [\d,]+ scopes?: \S", line)
        if header:
            assert "no reason given" not in line
            status = header[1] or header[2]
        elif not line.startswith("  "):
            status = ""
        elif status:
            for name in re.findall(r"aws_\w+", line):
                named = [one for one in gaps if one.startswith(name)] if name.endswith("_") else [name]
                told |= {one: status for one in named if gaps.get(one) == status}
    assert told == gaps
    assert re.search(rf"^{len(rows):,} scopes: .* failed", estate.first.summary, re.MULTILINE)


# -- every resource ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_name", FINDS)
def test_what_was_made_is_found_by_its_identity(estate: Estate, type_name: str) -> None:
    rows = estate.rows(type_name)
    for wanted in FINDS[type_name]:
        assert estate.ids(type_name, wanted), (wanted, rows[:3])
    assert len({row["_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("wanted", ESTATE["tags"], ids=lambda one: one[0])
def test_tags_are_those_given(estate: Estate, wanted: list[str]) -> None:
    type_name, tag = wanted
    assert any(tag in (row["tags"] or []) for row in estate.rows(type_name))


@pytest.mark.parametrize("type_name", [name for name in FINDS if name not in UNEQUAL])
def test_every_field_is_what_boto3_answers(estate: Estate, type_name: str, tmp_path: Path) -> None:
    kind = load_type(type_name, open_models())
    unlike = _unlike(estate, kind, estate.rows(type_name))
    for _ in range(_TRIES):
        if not unlike:
            break
        # moto moves states on as time passes (ACM after a minute): then both are asked again, one after the other.
        with open_catalog(estate.synced_anew(tmp_path, (type_name,)), read_only=True) as anew:
            unlike = _unlike(estate, kind, rows_of(anew, type_name))
    assert not unlike


def _unlike(estate: Estate, kind: ResourceType, rows: list[dict[str, Any]]) -> list[Any]:
    """Return what boto3 answers otherwise, now, than these rows say."""
    # Facets come from calls of their own: test_facets_moto.py compares them.
    other = {"tags", *(facet.name for facet in kind.facets)}
    names = {one.name for one in kind.fields if one.provider_name is not None} - other
    held = [{name: row[name] for name in names} for row in rows]
    answers = [{name: value for name, value in one.items() if name in names} for one in estate.answers.of(kind)]
    if len(answers) != len(held):
        return [("number of resources", len(answers), len(held))]
    nearest = (
        min((differences(_as_kept(answer, row), row) for row in held), key=len)
        for answer in answers[:_ANSWERS_COMPARED]
    )
    return [unlike for unlike in nearest if unlike]


def _as_kept(answer: Any, row: Any) -> Any:
    """Return an answer as it is kept: secrets by length and hash, and documents, which boto3 parses, as text."""
    if isinstance(answer, dict) and isinstance(row, dict):
        return {name: _as_kept(value, row.get(name)) for name, value in answer.items()}
    if isinstance(answer, list) and isinstance(row, list) and len(answer) == len(row):
        return [_as_kept(one, other) for one, other in zip(answer, row, strict=True)]
    if isinstance(answer, str) and isinstance(row, str) and row.startswith(f"<redacted length={len(answer)} hash="):
        return row
    if isinstance(answer, dict) and isinstance(row, str) and row.startswith("{") and json.loads(row) == answer:
        return row
    return answer


# -- edges -------------------------------------------------------------------------------------------------------------


def test_edges_are_in_boto3s_own_answers(estate: Estate) -> None:
    """The list of edges is not made from ours: the field that it names is in the answer, and names the target."""
    wrong = []
    of_type: dict[str, list[list[str]]] = {}
    for edge in EDGES["edges"]:
        of_type.setdefault(edge[0], []).append(edge)
    for source_type, edges in of_type.items():
        kind = load_type(source_type, open_models())
        answers = estate.answers.of(kind)
        others = {"_id", *(facet.name for facet in kind.facets)}  # the parent, and calls of their own, are not in it
        for _, source, path, target_type, target in edges:
            if path.split(".")[0] not in others:
                of_source = [one for one in answers if _mentions(one, filled(source, estate.kept))]
                said = [value for one in of_source for value in _values(one, path.split("."))]
                if not _names_one_of(said, estate, target_type, target):
                    wrong.append((source_type, source, path, target, said))
    assert not wrong


def _mentions(answer: Any, name: str) -> bool:
    if isinstance(answer, dict | list):
        return any(_mentions(one, name) for one in (answer.values() if isinstance(answer, dict) else answer))
    return isinstance(answer, str) and is_called({"": answer}, name)


def _names_one_of(said: list[str], estate: Estate, target_type: str, target: str) -> bool:
    """Say whether a value is, or contains, one of the names of the target: its fields, as they are kept."""
    ids = estate.ids(target_type, target)
    texts = [value for row in estate.rows(target_type) if row["_id"] in ids for value in row.values()]
    names = {filled(target, estate.kept), *(value for value in texts if isinstance(value, str) and value)}
    return any(value == name or (len(name) > 2 and name in value) for value in said for name in names)


def _values(value: Any, path: list[str]) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _values(one, path)]
    if not path:
        return [one for one in (value.values() if isinstance(value, dict) else [value]) if isinstance(one, str)]
    return _values(value.get(path[0]), path[1:]) if isinstance(value, dict) else []


def test_the_edges_that_seeding_creates_are_found(estate: Estate) -> None:
    found = set(
        estate.query("SELECT source_type, source_id, path, target_type, target_id FROM relations WHERE resolved")
    )
    missing = []
    for source_type, source, path, target_type, target in EDGES["edges"]:
        sources, targets = estate.ids(source_type, source), estate.ids(target_type, target)
        if not any((source_type, one, path, target_type, other) in found for one in sources for other in targets):
            missing.append([source_type, source, path, target_type, target])
    assert missing == [edge[:5] for edge in EDGES["missed"]]
    total = len(EDGES["edges"])
    assert len(missing) <= 0.05 * total


def test_edges_that_are_found_are_right(estate: Estate) -> None:
    """Right: it leads where seeding says; or to a type that was judged by hand to be what the field names."""
    seeded: dict[tuple[str, str, str], set[str]] = {}
    judged = {tuple(one) for one in EDGES["judged"]}
    for source_type, source, path, target_type, target in EDGES["edges"]:
        judged.add((source_type, path, target_type))
        for one in estate.ids(source_type, source):
            seeded.setdefault((source_type, one, path), set()).update(estate.ids(target_type, target))
    found = estate.query(
        "SELECT source_type, source_id, path, target_type, target_id, form, value FROM relations WHERE resolved"
    )
    wrong = [
        edge
        for edge in found
        if (edge[0], edge[2], edge[3]) not in judged
        or (edge[5] == "name" and edge[4] not in seeded.get((edge[0], edge[1], edge[2]), {edge[4]}))
    ]
    assert len(found) > 450
    assert len(wrong) < 0.02 * len(found), wrong


# -- the second sync ---------------------------------------------------------------------------------------------------


def test_a_second_sync_writes_no_version_of_what_did_not_change(estate: Estate, tmp_path: Path) -> None:
    assert estate.second.exit_code == 3
    statuses = "SELECT type, status FROM coverage_now ORDER BY ALL"
    with open_catalog(estate.second_catalog, read_only=True) as second:
        assert run(second.connection, statuses) == estate.query(statuses)
    wrong = _moved(estate.second_catalog)
    for _ in range(_TRIES):
        if not wrong:
            break
        # moto moves states on as time passes, which on a slow machine falls between two sweeps.
        wrong = _moved(estate.synced_anew(tmp_path, tuple(wrong)))
    assert not wrong


def _moved(catalog: Path) -> dict[str, tuple[int, int, int]]:
    moved = "SELECT type, new, changed, deleted FROM coverage WHERE sweep_id = 2 AND new + changed + deleted > 0"
    with open_catalog(catalog, read_only=True) as opened:
        rows = run(opened.connection, moved)
    return {name: (new, changed, deleted) for name, new, changed, deleted in rows if name not in UNSTEADY}
