"""The view `jobs`: every job of every type that is held, one row each, in the same columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stocktake.insights.held import has_field
from stocktake.insights.job_index import facet_of
from stocktake.insights.job_words import read_words
from stocktake.insights.sql_text import quoted, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.insights.held import HeldType, Schema
    from stocktake.insights.job_facets import JobFacet

COLUMNS = {
    "type": "VARCHAR", "id": "VARCHAR", "name": "VARCHAR", "account_id": "VARCHAR", "region": "VARCHAR",
    "state": "VARCHAR", "raw_state": "VARCHAR", "detail": "VARCHAR", "created_at": "TIMESTAMP",
    "started_at": "TIMESTAMP", "ended_at": "TIMESTAMP", "queue_seconds": "DOUBLE", "run_seconds": "DOUBLE",
    "parent": "VARCHAR", "principal": "VARCHAR", "compute": "VARCHAR", "failure_reason": "VARCHAR",
    "tags": "VARCHAR[]", "seen_from": "TIMESTAMP",
}  # fmt: skip
WORDS = "_job_words"
_DONE_BADLY = ("partial", "failed", "cancelled", "timed_out")


def jobs_sql(held: Mapping[str, HeldType]) -> str:
    """Return the view's statement; without a row where no type that is held is a job. It uses `WORDS`."""
    parts = [
        _type_sql(name, one, facet)
        for name, one in held.items()
        if (facet := facet_of(name, one.model_version)) is not None and has_field(one.schema, facet.state)
    ]
    nothing = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in COLUMNS.items())
    rows = " UNION ALL ".join(parts or [f"SELECT {nothing} WHERE false"])
    badly = ", ".join(map(text, _DONE_BADLY))
    # A word that the model of the type did not have yet means what it means elsewhere.
    return (
        f"SELECT * REPLACE (CASE WHEN state IN ({badly}) THEN failure_reason END AS failure_reason) FROM ("
        f"SELECT j.* REPLACE (coalesce(j.state, w.state, {_endings_sql('j.raw_state')}) AS state) FROM ({rows}) AS j "
        f"LEFT JOIN {WORDS} AS w ON j.state IS NULL AND w.word = {_plain('j.raw_state')})"
    )


def words_sql() -> str:
    """Return every word that is known, plain, and the state that it means; null for one that says none."""
    known = read_words()
    pairs = [*known.exact.items(), *((word, "") for word in known.stateless)]
    rows = ", ".join(f"({text(word)}, {text(state)})" for word, state in sorted(pairs))
    return f"SELECT word, nullif(state, '') AS state FROM (VALUES {rows}) AS given(word, state)"


def _endings_sql(word: str) -> str:
    endings = " ".join(
        f"WHEN ends_with({_plain(word)}, {text(end)}) THEN {text(state)}" for end, state in read_words().endings
    )
    return f"CASE WHEN w.word IS NULL THEN CASE {endings} END END"


def _plain(word: str) -> str:
    return f"regexp_replace(lower({word}), '[^a-z0-9]', '', 'g')"


def _type_sql(type_name: str, held: HeldType, facet: JobFacet) -> str:
    """Return the jobs of one type: first its values as they are, then what follows from them."""
    schema = held.schema
    values = {
        "name": f"CAST({held.name_column} AS VARCHAR)" if held.name_column else "_id",
        "raw_state": _path_sql(facet.state),
        "detail": _first_sql((facet.detail,) if facet.detail else (), schema),
        "created_at": _time_sql(facet.created, schema),
        "started_at": _time_sql(facet.started, schema),
        "ended_at": _time_sql(facet.ended, schema),
        "parent": _first_sql(facet.parent, schema),
        "principal": _first_sql(facet.principal, schema),
        "compute": _first_sql(facet.compute, schema),
        "failure_reason": _first_sql(facet.reason, schema),
        "tags": "tags" if "tags" in schema else "NULL::VARCHAR[]",
    }
    inner = ", ".join(f"{sql} AS _{name}" for name, sql in values.items())
    # Where a type has no time of its start, it runs from its creation.
    begins = "_started_at" if facet.started else "_created_at"
    shown = {
        "type": text(type_name),
        "id": "_id",
        "region": "_region",
        "state": _state_sql(facet),
        "queue_seconds": "date_diff('millisecond', _created_at, _started_at) / 1000.0",
        "run_seconds": f"date_diff('millisecond', {begins}, _ended_at) / 1000.0",
        "account_id": "account_id",
        "seen_from": "_from",
    }
    picked = ", ".join(f"{shown.get(name, f'_{name}')} AS {quoted(name)}" for name in COLUMNS)
    return f"SELECT {picked} FROM (SELECT _id, account_id, _region, _from, {inner} FROM {quoted(type_name)})"


def _state_sql(facet: JobFacet) -> str:
    """Return the state by the words that the model states; null for another word."""
    late = ", ".join(map(text, facet.late_words))
    first = f"WHEN _detail IN ({late}) THEN 'timed_out' " if late else ""
    words = " ".join(f"WHEN _raw_state = {text(word)} THEN {text(state)}" for word, state in facet.words.items())
    return f"CASE {first}{words} END"


def _path_sql(path: str) -> str:
    steps = path.split(".")
    return ".".join(f"{quoted(step[:-2])}[1]" if step.endswith("[]") else quoted(step) for step in steps)


def _first_sql(paths: tuple[str, ...], schema: Schema) -> str:
    there = [f"CAST({_path_sql(path)} AS VARCHAR)" for path in paths if has_field(schema, path.replace("[]", ""))]
    return f"coalesce({', '.join(there)})" if there else "NULL::VARCHAR"


def _time_sql(stated: str, schema: Schema) -> str:
    form, _, path = stated.rpartition(":")
    if not path or not has_field(schema, path):
        return "NULL::TIMESTAMP"
    value = _path_sql(path)
    match form:
        case "ms":
            return f"make_timestamp(CAST({value} * 1000 AS BIGINT))"
        case "s":
            return f"make_timestamp(CAST({value} * 1000000 AS BIGINT))"
        case "text":
            # Through the type with a zone: a plain cast would drop the offset that is written.
            return f"CAST(TRY_CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP)"
        case _:
            return value
