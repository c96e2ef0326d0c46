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
_DONE_BADLY = ("partial", "failed", "cancelled", "timed_out")


def jobs_sql(held: Mapping[str, HeldType]) -> str:
    """Return the view's statement; without a row where no type that is held is a job."""
    parts = [
        _type_sql(name, one, facet)
        for name, one in held.items()
        if (facet := facet_of(name, one.model_version)) is not None and has_field(one.schema, facet.state)
    ]
    nothing = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in COLUMNS.items())
    return " UNION ALL ".join(parts or [f"SELECT {nothing} WHERE false"])


def state_macro_sql() -> str:
    """Return the expression of `job_state(word)`: which of the ten states a provider's word means; else null."""
    words = read_words()
    plain = "regexp_replace(lower(word), '[^a-z0-9]', '', 'g')"
    exact = ", ".join(f"{text(word)}: {text(state)}" for word, state in sorted(words.exact.items()))
    stateless = ", ".join(text(word) for word in sorted(words.stateless))
    endings = " ".join(f"WHEN ends_with({plain}, {text(end)}) THEN {text(state)}" for end, state in words.endings)
    return f"coalesce(MAP {{{exact}}}[{plain}], CASE WHEN {plain} IN ({stateless}) THEN NULL {endings} END)"


def _type_sql(type_name: str, held: HeldType, facet: JobFacet) -> str:
    """Return the jobs of one type: first its values as they are, then what follows from them."""
    schema = held.schema
    started = _time_sql(facet.started, schema)
    values = {
        "name": f"CAST({held.name_column} AS VARCHAR)" if held.name_column else "_id",
        "raw_state": _path_sql(facet.state),
        "detail": _first_sql((facet.detail,) if facet.detail else (), schema),
        "created_at": _time_sql(facet.created, schema),
        "started_at": started,
        "ended_at": _time_sql(facet.ended, schema),
        "parent": _first_sql(facet.parent, schema),
        "principal": _first_sql(facet.principal, schema),
        "compute": _first_sql(facet.compute, schema),
        "reason": _first_sql(facet.reason, schema),
    }
    tags = "tags" if "tags" in schema else "NULL::VARCHAR[]"
    inner = ", ".join(f"{sql} AS _{name}" for name, sql in values.items())
    # Where a type has no time of its start, it runs from its creation.
    begins = "_started_at" if facet.started else "_created_at"
    badly = ", ".join(map(text, _DONE_BADLY))
    return (
        f"SELECT {text(type_name)} AS type, _id AS id, _name AS name, account_id, _region AS region, _state AS state, "
        "_raw_state AS raw_state, _detail AS detail, _created_at AS created_at, _started_at AS started_at, "
        "_ended_at AS ended_at, date_diff('millisecond', _created_at, _started_at) / 1000.0 AS queue_seconds, "
        f"date_diff('millisecond', {begins}, _ended_at) / 1000.0 AS run_seconds, _parent AS parent, "
        f"_principal AS principal, _compute AS compute, CASE WHEN _state IN ({badly}) THEN _reason END "
        "AS failure_reason, _tags AS tags, _from AS seen_from FROM ("
        f"SELECT *, {_state_sql(facet)} AS _state FROM (SELECT _id, account_id, _region, _from, {tags} AS _tags, "
        f"{inner} FROM {quoted(type_name)}))"
    )


def _state_sql(facet: JobFacet) -> str:
    """Return the state: by the words that the model states, else by what such words mean elsewhere."""
    late = ", ".join(map(text, facet.late_words))
    first = f"WHEN _detail IN ({late}) THEN 'timed_out' " if late else ""
    words = " ".join(f"WHEN _raw_state = {text(word)} THEN {text(state)}" for word, state in facet.words.items())
    return f"CASE {first}{words} ELSE job_state(_raw_state) END"


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
