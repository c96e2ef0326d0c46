"""How a type's table follows its model: what it takes to hold what a newer one says, with every older version as it is.

A field that came gets a column, null in older versions. One that went keeps its column. One whose type changed keeps
its values: converted where nothing can be lost, else under another name. One that went here and came there under the
same name and type may have moved: that is a proposal, until the values of resources that were read again confirm it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.resource_types.spec import Kind, sql_type
from stocktake.store.catalog import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import duckdb
    from duckdb.sqltypes import DuckDBPyType

    from stocktake.resource_types.spec import Field, ValueType

# From which type to which every value goes unchanged.
_LOSSLESS = {("INTEGER", "BIGINT"), ("INTEGER", "DOUBLE"), ("FLOAT", "DOUBLE")}
_ELEMENT = "element"
"""As ALTER TABLE calls what a list holds."""
_CHILD = "child"
"""As the driver calls it."""
_LIST = "UNORDERED_LIST_"
_MOST_DIFFERENT = 0.1
"""Of the values that a move is judged by, the part that may have changed at the same time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a schema."""

    change: str
    """added, dropped, moved or retyped."""
    path: str
    sql_type: str | None
    was: str | None = None
    statements: tuple[str, ...] = ()
    """What has to be done to the table, each in a transaction of its own."""
    is_certain: bool = True


def quote_path(path: Sequence[str]) -> str:
    """Return a path as SQL has it."""
    return ".".join('"' + step.replace('"', '""') + '"' for step in path)


def plan_steps(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    held: dict[str, str],
    fields: tuple[Field, ...],
    schemas: tuple[dict[str, Any], dict[str, Any]],
) -> list[Step]:
    """Return what a table needs to hold these fields, and what else a newer model changed.

    `table`: quoted. `held`: its columns with their types. `schemas`: as remembered of the model before, and of this.
    """
    types = {name: connection.type(kind) for name, kind in held.items() if not name.startswith("_")}
    steps = list(_Comparison(table, types).compare(fields, types, ()))
    before, after = (dict(_nodes(schema, ())) for schema in schemas)
    known = {step.path for step in steps}
    steps += [
        # It was there once, went, and is there again: its column never went.
        Step("added", path, None)
        for path in _topmost(after, before)
        if path not in known
    ]
    steps += [Step("dropped", path, None) for path in _topmost(before, after)]
    return _with_moves(steps, before, after)


class _Comparison:
    """Compares the fields of a model with what a table has."""

    def __init__(self, table: str, types: dict[str, DuckDBPyType]) -> None:
        self._table = table
        self._types = types

    def compare(
        self, fields: tuple[Field, ...], held: dict[str, DuckDBPyType], path: tuple[str, ...]
    ) -> Iterator[Step]:
        """Yield what is missing or otherwise in a table, a column or the members of a structure."""
        for field in fields:
            here = (*path, field.name)
            if field.name not in held:
                add = f"ALTER TABLE {self._table} ADD COLUMN {quote_path(here)} {sql_type(field.type)}"
                yield Step("added", _shown(here), sql_type(field.type), statements=(add,))
            else:
                yield from self._compare_value(field.type, held[field.name], here, held)

    def _compare_value(
        self, value: ValueType, held: DuckDBPyType, path: tuple[str, ...], beside: dict[str, DuckDBPyType]
    ) -> Iterator[Step]:
        if value.kind is Kind.STRUCT and value.fields and held.id == "struct":
            yield from self.compare(value.fields, _children(held), path)
        elif value.kind is Kind.LIST and value.element is not None and held.id == "list":
            yield from self._compare_value(value.element, _children(held)[_CHILD], (*path, _ELEMENT), {})
        elif str(held) != (wanted := sql_type(value)):
            yield self._retyped(path, str(held), wanted, beside)

    def _retyped(self, path: tuple[str, ...], held: str, wanted: str, beside: dict[str, DuckDBPyType]) -> Step:
        if (held, wanted) in _LOSSLESS:
            whole = _with_type(self._types[path[0]], path[1:], wanted)
            change = f"ALTER TABLE {self._table} ALTER COLUMN {quote_path(path[:1])} SET DATA TYPE {whole}"
            return Step("retyped", _shown(path), wanted, _shown(path), (change,))
        while path[-1] == _ELEMENT:
            # Of a list of other things the list itself is another.
            path, held, wanted = path[:-1], f"{held}[]", f"{wanted}[]"
        kind = "".join(letter if letter.isalnum() else " " for letter in held.lower()).split()[0]
        kind = "list" if held.endswith("[]") else kind
        name = f"{path[-1]}_was_{kind}"
        number = 2
        while name in beside or name in self._types:
            name, number = f"{path[-1]}_was_{kind}_{number}", number + 1
        return Step(
            "retyped",
            _shown(path),
            wanted,
            _shown((*path[:-1], name)),
            (
                f"ALTER TABLE {self._table} RENAME COLUMN {quote_path(path)} TO {quote_path((name,))}",
                f"ALTER TABLE {self._table} ADD COLUMN {quote_path(path)} {wanted}",
            ),
        )


def _children(held: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """Return the members of a structure, or the element of a list."""
    return {name: kind for name, kind in held.children if not isinstance(kind, int | list)}


def _with_type(held: DuckDBPyType, path: tuple[str, ...], wanted: str) -> str:
    """Return a type as SQL has it, with another one at a path in it."""
    if not path:
        return wanted
    if path[0] == _ELEMENT:
        return f"{_with_type(_children(held)[_CHILD], path[1:], wanted)}[]"
    members = (
        f"{quote_path((name,))} {_with_type(kind, path[1:], wanted) if name == path[0] else kind}"
        for name, kind in _children(held).items()
    )
    return f"STRUCT({', '.join(members)})"


def _shown(path: Sequence[str]) -> str:
    return ".".join(step for step in path if step != _ELEMENT)


def _nodes(schema: dict[str, Any], path: tuple[str, ...], *, in_list: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield every field of a remembered schema: its path, and what it is; a list's members are marked."""
    for name, entry in schema.items():
        here = (*path, name)
        kind, members = entry if isinstance(entry, list) else (entry, None)
        yield ".".join(here), (in_list, kind, members)
        if members:
            yield from _nodes(members, here, in_list=in_list or kind.startswith(_LIST))


def _topmost(some: dict[str, Any], others: dict[str, Any]) -> list[str]:
    """Return the paths that only `some` have, without those below one of them."""
    only = {path for path in some if path not in others}
    return sorted(path for path in only if path.rpartition(".")[0] not in only)


def _with_moves(steps: list[Step], before: dict[str, Any], after: dict[str, Any]) -> list[Step]:
    """Propose as moved what went and came under one name and type, where it is the only one of that name."""
    came = {step.path: step for step in steps if step.change == "added" and step.path in after}
    gone = {step.path: step for step in steps if step.change == "dropped"}
    moved = []
    for path, step in came.items():
        name, kind = path.rpartition(".")[2], after[path]
        # Inside of a list there is no telling which entry it came from.
        alike = [old for old in gone if old.rpartition(".")[2] == name and before[old] == kind]
        rivals = [new for new in after if new not in before and new.rpartition(".")[2] == name and not after[new][0]]
        if len(alike) == len(rivals) == 1 and not kind[0]:
            moved.append(Step("moved", path, step.sql_type, alike[0], step.statements, is_certain=False))
    taken = {step.path for step in moved} | {step.was for step in moved}
    return [step for step in steps if step.change == "retyped" or step.path not in taken] + moved


def write_steps(
    connection: duckdb.DuckDBPyConnection, type_name: str, model_version: str, now: datetime, steps: Sequence[Step]
) -> None:
    """Remember what changed."""
    for step in steps:
        run(
            connection,
            "INSERT INTO schema_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                type_name,
                now.replace(tzinfo=None),
                model_version,
                step.change,
                step.path,
                step.sql_type,
                step.was,
                step.is_certain,
            ],
        )


def moved_columns(connection: duckdb.DuckDBPyConnection, type_name: str) -> dict[str, str]:
    """Return for each column that holds a moved field an expression that has older values at their new place."""
    moves: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for path, was in run(
        connection,
        "SELECT path, was FROM schema_changes WHERE type = ? AND change = 'moved' AND is_certain ORDER BY changed_at",
        [type_name],
    ):
        steps = tuple(str(path).split("."))
        moves.setdefault(steps[0], []).append((steps, quote_path(str(was).split("."))))
    columns = {}
    for name, moved in moves.items():
        said = quote_path((name,))
        for steps, was in moved:
            said = f"CASE WHEN {was} IS NULL THEN {said} ELSE {_moved_into(said, steps[1:], was)} END"
        columns[name] = said
    return columns


def _moved_into(value: str, steps: tuple[str, ...], was: str) -> str:
    if not steps:
        return f"coalesce({value}, {was})"
    member = f"({value}).{quote_path(steps[:1])}"
    return f"struct_update({value}, {quote_path(steps[:1])} := {_moved_into(member, steps[1:], was)})"


def judge_moves(connection: duckdb.DuckDBPyConnection, type_name: str, history: str, pairs: str) -> bool:
    """Let the values of versions that follow each other judge the moves that are proposed.

    `pairs` names a table with the rows (`old`, `new`) of `history`, quoted. Returns whether one was confirmed: then the
    views have to be made again.
    """
    proposed = run(
        connection,
        "SELECT path, was FROM schema_changes WHERE type = ? AND change = 'moved' AND NOT is_certain",
        [type_name],
    )
    confirmed = False
    for path, was in proposed:
        there, here = (quote_path(str(one).split(".")) for one in (path, was))
        # Only from a version that had it here to one that does not.
        [(same, other)] = run(
            connection,
            f"SELECT count(*) FILTER (n.{there} IS NOT DISTINCT FROM o.{here}), count(*) FROM {pairs} AS p "
            f"JOIN {history} AS o ON o.rowid = p.old JOIN {history} AS n ON n.rowid = p.new "
            f"WHERE o.{here} IS NOT NULL AND n.{here} IS NULL",
        )
        if not other:
            continue
        key = {"type": type_name, "path": path, "was": was}
        where = "type = $type AND path = $path AND was = $was AND change = 'moved'"
        if other - same <= _MOST_DIFFERENT * other:
            run(connection, f"UPDATE schema_changes SET is_certain = true WHERE {where}", key)
            confirmed = True
        else:
            run(
                connection,
                "INSERT INTO schema_changes SELECT type, changed_at, model_version, 'dropped', was, NULL, NULL, true "
                f"FROM schema_changes WHERE {where}",
                key,
            )
            run(
                connection,
                f"UPDATE schema_changes SET change = 'added', was = NULL, is_certain = true WHERE {where}",
                key,
            )
    return confirmed
