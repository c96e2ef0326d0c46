"""Turn a batch of raw answers of one type into a typed Arrow table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stocktake.normalize.census import count_members, count_text_members, is_odd, raw_census
from stocktake.normalize.compile import compile_type, inline_tags_sql, literal, provider_fields
from stocktake.normalize.places import redact_places, secret_places
from stocktake.normalize.redact import Suspicion, is_secret_name, names_pattern, values_pattern, without_own_names
from stocktake.normalize.repair import Misfit, UnreadableError, parse_document, repair, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stocktake.normalize.redact import Redactor
    from stocktake.resource_types.spec import Field, ResourceType, ValueType

ROW = "_row"
UNKNOWN = "_unknown"
INLINE_TAGS = "_inline_tags"
_MEMBERS, _WHOLE = "_members", "_whole"
_ROWS_AT_ONCE = 2_048


@dataclass(slots=True)
class Normalized:
    """What a batch of answers came to.

    Shape: `table` has the provider's fields under their snake-case names, in page order, then `_row` (INT64, the
    position in the batch), `_unknown` (members that the model does not know, as JSON text, or null) and, where the
    type has its tags inside the document, `_inline_tags`. Its rows are sorted by `_row`; unreadable answers have none.
    """

    table: pa.Table
    misfits: list[tuple[int, Misfit]] = field(default_factory=list)
    """Values kept aside, each with its position in the batch."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    """Answers that are no resource at all: position and reason."""


class Normalizer:
    """Normalizes answers of one type, in a database of its own in memory. One thread at a time."""

    def __init__(self, resource_type: ResourceType, redactor: Redactor) -> None:
        self._type = resource_type
        self._redactor = redactor
        self._path = resource_type.describe_call.result_path if resource_type.describe_call else ()
        self._fields = provider_fields(resource_type)
        self._kept = self._repairable_names()
        names = list(_member_names(self._fields))
        sensitive = frozenset(name for name, marked in names if marked and is_secret_name(name))
        named, formed = literal(names_pattern(sensitive)), literal(values_pattern())
        own_names_gone = without_own_names("t", {name for name, _ in names} - sensitive)
        # One cheap look at everything (Arrow's takes half as long as the database's); what it finds gets a closer one.
        self._first_look = f"{values_pattern()}|{names_pattern(sensitive)}"
        self._closer_look = f"""
            SELECT CASE WHEN t IS NULL OR regexp_matches(t, {formed}) THEN {Suspicion.VALUES:d}
                        WHEN regexp_matches({own_names_gone}, {named}) THEN {Suspicion.NAMES:d}
                        ELSE {Suspicion.NONE:d} END
            FROM batch
        """
        self._places = secret_places(self._fields)
        self._extra = [name for _, name in self._omitted()]
        self._statement = self._compile(by_row=False)
        self._statement_by_row = self._compile(by_row=True)
        self._connection = duckdb.connect()
        self._connection.execute("SET timezone = 'UTC'")
        # A batch is small; a second thread costs more CPU than it saves time.
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET preserve_insertion_order = true")  # rows come in the order of the batch

    def close(self) -> None:
        """Free the database in memory."""
        self._connection.close()

    def sift(self, bodies: Sequence[bytes]) -> list[Suspicion]:
        """Say how much of each answer has to be looked at for secrets; all of those that are not UTF-8."""
        texts = pa.array([_decoded(body) for body in bodies], pa.string())
        found = pc.match_substring_regex(texts, self._first_look).fill_null(True)
        suspicions = [Suspicion.NONE] * len(bodies)
        places = pc.indices_nonzero(found)
        if len(places):
            self._connection.register("batch", pa.table({"t": texts.take(places)}))
            closer = self._connection.execute(self._closer_look).fetchall()
            for place, (suspicion,) in zip(places, closer, strict=True):
                suspicions[place.as_py()] = Suspicion(suspicion)
        return suspicions

    def normalize(self, bodies: Sequence[bytes], suspicions: Sequence[Suspicion]) -> Normalized:
        """Type a batch; `suspicions` come from `sift`. Never raises for what an answer holds."""
        result = Normalized(table=pa.table({}))
        unknown: dict[int, str] = {}
        repaired: set[int] = set()
        texts: list[tuple[int, str]] = []
        for row, (body, suspicion) in enumerate(zip(bodies, suspicions, strict=True)):
            text = body.decode() if suspicion is Suspicion.NONE else self._redacted(body, suspicion)
            if text is None:
                repaired.add(row)
                text = self._repaired(row, body, result, unknown)
            if text is not None:
                texts.append((row, text))
        table, not_whole = self._typed(texts)
        # What was repaired is as whole as it can be; what else is not whole is repaired now.
        rest = set(not_whole) - repaired
        if rest:
            mended = [(row, self._repaired(row, bodies[row], result, unknown)) for row in sorted(rest)]
            keep = pa.array([i for i, row in enumerate(table[ROW].to_pylist()) if row not in rest], pa.int64())
            again = self._typed([(row, text) for row, text in mended if text is not None])[0]
            table = pa.concat_tables([table.take(keep), again]).sort_by(ROW)
        strange: list[str | None] = [None] * table.num_rows
        if unknown:
            strange = [unknown.get(int(str(row))) for row in table[ROW]]
        result.table = table.append_column(UNKNOWN, pa.array(strange, pa.string()))
        return result

    def _redacted(self, body: bytes, suspicion: Suspicion) -> str | None:
        """Redact as far as sifting asks for it; None where the answer has another shape than it should."""
        try:
            document = found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        for member in self._path:
            found = found.get(member) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            return None
        redact_places(found, self._places, self._redactor)
        if suspicion is Suspicion.VALUES:
            self._redactor.strings(found)
        return orjson.dumps(document).decode()

    def _repaired(self, row: int, body: bytes, result: Normalized, unknown: dict[int, str]) -> str | None:
        """Go through one answer the exact way; return it clean, as the statement takes it, or None if it is none."""
        try:
            document = parse_document(body, self._path)
        except UnreadableError as error:
            result.unreadable.append((row, str(error)))
            return None
        mended = repair(document, self._fields, self._type.omitted, self._redactor)
        clean: object = mended.document | {k: document[k] for k in self._kept if document.get(k) is not None}
        if mended.unknown:
            unknown[row] = to_json(mended.unknown)
        result.misfits += [(row, misfit) for misfit in mended.misfits]
        for member in reversed(self._path):
            clean = {member: clean}
        return to_json(clean)

    def _typed(self, texts: list[tuple[int, str]]) -> tuple[pa.Table, list[int]]:
        """Return the typed rows, and the positions of those that did not come through whole."""
        batch = pa.table(
            {ROW: pa.array([row for row, _ in texts], pa.int64()), "t": pa.array([t for _, t in texts], pa.string())}
        )
        self._connection.register("batch", batch)
        table = self._read(self._statement)
        if self._is_whole(table):
            return table.drop_columns([*self._extra, _MEMBERS]), []
        table = self._read(self._statement_by_row)
        whole = table[_WHOLE].to_pylist()
        rows = table[ROW].to_pylist()
        return table.drop_columns([_WHOLE]), [
            row for row, good in zip(rows, whole, strict=True) if not good and row is not None
        ]

    def _read(self, statement: str) -> pa.Table:
        with warnings.catch_warnings():
            # It says that this copies the rows once more, which costs less than a second plan.
            warnings.simplefilter("ignore", UserWarning)
            reader = self._connection.execute(statement).to_arrow_reader(_ROWS_AT_ONCE)
        assert reader is not None  # noqa: S101 - a SELECT always has one
        return reader.read_all()

    def _is_whole(self, table: pa.Table) -> bool:
        """Say whether every row came through whole: as many values came out as members went in."""
        told = table[_MEMBERS].to_pylist()
        if any(count is None for count in told):
            return False
        counted = sum(count_members(chunk, f.type) for f in self._fields for chunk in table[f.name].chunks)
        counted += sum(count_text_members(chunk) for name in self._extra for chunk in table[name].chunks)
        return bool(counted == sum(count for count in told if count is not None))

    def _compile(self, *, by_row: bool) -> str:
        compiled = compile_type(self._type)
        columns = ", ".join(f'{sql} AS "{name}"' for name, sql in compiled.columns)
        stored = ", ".join(f'{sql} AS "{name}"' for name, sql in compiled.stored)
        tags = inline_tags_sql(self._type)
        tags_column = f", {tags} AS {INLINE_TAGS}" if tags else ""
        kept = f"{stored}, {ROW}{f', {INLINE_TAGS}' if tags else ''}"
        whole = "starts_with(ltrim(_raw, E' \\t\\r\\n'), '{')"
        if by_row:
            told = f", {compiled.census} AS _counted"
            shown = f"coalesce({whole} AND _counted = {raw_census('_raw')}, false) AS {_WHOLE}"
        else:
            told = ""
            left_out = [f'CAST(_j."{member}" AS VARCHAR) AS "{name}"' for member, name in self._omitted()]
            countable = f"{whole} AND NOT {is_odd('_raw')}"
            shown = ", ".join([*left_out, f"CASE WHEN {countable} THEN {raw_census('_raw')} END AS {_MEMBERS}"])
        return f"""
            WITH parsed AS (
                SELECT {ROW}, TRY_CAST(t AS JSON) AS _doc FROM batch
            ), found AS (
                SELECT {ROW}, {compiled.document} AS _resource FROM parsed
            ), read AS (
                SELECT {ROW}, _resource, json_transform(_resource, $${compiled.transform}$$) AS _j FROM found
            ), typed AS (
                SELECT {columns}, {ROW}{tags_column}, CAST(_resource AS VARCHAR) AS _raw, _j FROM read
            ), counted AS (
                SELECT *{told} FROM typed
            )
            SELECT {kept}, {shown} FROM counted
        """

    def _omitted(self) -> list[tuple[str, str]]:
        """Return members that the schema leaves out, and the names of the columns that only the census sees."""
        return [(member, f"_omitted_{number}") for number, member in enumerate(self._type.omitted)]

    def _repairable_names(self) -> tuple[str, ...]:
        """Return members that repair leaves out and the statement still reads: the inline tags' first step."""
        return self._type.inline_tags.path[:1] if self._type.inline_tags else ()


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _member_names(fields: tuple[Field, ...]) -> Iterator[tuple[str, bool]]:
    """Yield every member's name, at any depth, and whether the model marks its value as sensitive."""
    for member in fields:
        inner: ValueType | None = member.type
        sensitive = False
        while inner is not None:
            sensitive = sensitive or inner.sensitive
            yield from _member_names(inner.fields)
            inner = inner.element
        yield member.provider_name or member.name, sensitive
