"""One resource: found by its id or name, with every version that was ever seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError
from stocktake.query.changes import Change, diff_fields
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.within import within
from stocktake.store.catalog import run, translating
from stocktake.store.key_index import find_keys
from stocktake.store.resource_index import is_complete
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa

    from stocktake.store.catalog import Catalog

_NEAR_ENOUGH = 0.75
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Version:
    """What was seen of a resource from one time to another. Times are UTC without a zone, as the catalog keeps them."""

    seen_from: datetime
    seen_to: datetime | None
    """None: the newest version of a resource that was there when last looked."""
    gone: bool
    """It ended because the resource was no longer there."""
    created: datetime | None
    sweep_id: int
    end_sweep_id: int | None
    fields: dict[str, Any]
    unknown: str | None
    """Members that the model does not know, as JSON."""
    changes: tuple[Change, ...]
    """Against the version before; none for the first, and for a new resource of the same name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource and its versions, oldest first."""

    id: str
    type: str
    account_id: str
    region: str
    versions: tuple[Version, ...]
    complete_at: datetime | None
    """When its scope was last known whole."""

    @property
    def gone_at(self) -> datetime | None:
        """Return since when it is no longer there; None while it is."""
        last = self.versions[-1]
        return last.seen_to if last.gone else None

    def version_at(self, moment: datetime | None) -> Version:
        """Return what was known at a moment (UTC); None: the newest version. A deleted resource keeps its last.

        Raises: UserError where nothing was known yet.
        """
        if moment is None:
            return self.versions[-1]
        known = [version for version in self.versions if version.seen_from <= moment.replace(tzinfo=None)]
        if not known:
            first = self.versions[0].seen_from.isoformat()
            raise UserError(
                f"{self.id} was not known at {moment.replace(tzinfo=None).isoformat()}Z",
                code="not_known_then",
                hint=f"It was first seen at {first}Z; ask for that moment or a later one.",
                where=self.id,
            )
        return known[-1]


@dataclass(frozen=True, slots=True)
class _Place:
    type: str
    id: str
    account_id: str
    region: str


def find_resource(
    catalog: Catalog,
    wanted: str,
    *,
    type_name: str = "",
    account_id: str = "",
    region: str = "",
    reach: Reach = EVERYTHING,
) -> Resource:
    """Return the resource with this id (ARN), or with this name.

    Raises: UserError where there is none, or more than one.
    """
    catalog = within(catalog, reach)
    with translating(catalog.path):
        types = _held_types(catalog, type_name)
        names = [name for name, _ in types]
        places: list[_Place] = []
        # What is found first is enough; the second way, through every type's versions, is taken only then.
        for candidates in (
            _indexed_places(catalog, names, wanted),
            _living_places(catalog, wanted),
            _places(catalog, types, wanted),
        ):
            places = [
                place
                for place in candidates
                if account_id in {"", place.account_id} and region in {"", place.region} and place.type in names
            ]
            if places:
                break
        if not places:
            raise _unknown(catalog, types, wanted)
        if len(places) > 1:
            raise _ambiguous(wanted, places)
        return _read(catalog, places[0])


def _held_types(catalog: Catalog, type_name: str) -> list[tuple[str, str | None]]:
    rows = run(catalog.connection, "SELECT type, name_column FROM resource_types ORDER BY type")
    held = [(str(name), column) for name, column in rows if type_name in {"", name}]
    if not held:
        what = f"no {type_name}" if type_name else "no resources"
        raise UserError(
            f"The catalog {catalog.path} holds {what} yet",
            code="type_not_held",
            hint=f"Run `stocktake sync --type {type_name or 'TYPE'}` first; `stocktake status` says what is held.",
            where=str(catalog.path),
        )
    return held


def _indexed_places(catalog: Catalog, types: list[str], wanted: str) -> Iterator[_Place]:
    """Yield where an ARN is found in the index of the type that it names: `…:training-job/x` of `…_trainingjob`."""
    parts = wanted.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        return
    noun = re.split("[:/]", parts[5])[0].replace("-", "").lower()
    for name in types:
        if name.endswith(f"_{noun}") and (key := find_keys(catalog.connection, name, wanted)) is not None:
            rows = run(
                catalog.connection,
                f"SELECT _id, account_id, _region FROM {quote(history_name(name))} WHERE _key = {key}",
            )
            yield from (_Place(name, *map(str, row)) for row in dict.fromkeys(rows) if row[0] == wanted)


def _living_places(catalog: Catalog, wanted: str) -> Iterator[_Place]:
    """Yield where the id, or else the name, is found among what exists: one table, however many types there are."""
    if not is_complete(catalog.connection):
        return
    for column in ("id", "name"):
        rows = run(
            catalog.connection,
            "SELECT type, id, account_id, region FROM resource_index JOIN resource_scopes USING (scope) "
            f"WHERE {column} = $wanted ORDER BY ALL",
            {"wanted": wanted},
        )
        yield from (_Place(*map(str, row)) for row in rows)
        if rows:
            return


def _places(catalog: Catalog, types: list[tuple[str, str | None]], wanted: str) -> Iterator[_Place]:
    """Yield where the id was ever found; where it was not, where the name was."""
    by_id = [_select(name, "_id = $wanted") for name, _ in types]
    by_name = [_select(name, f"{column} = $wanted") for name, column in types if column]
    for parts in (by_id, by_name):
        if parts:
            statement = " UNION ALL ".join(parts)
            rows = run(catalog.connection, f"FROM ({statement}) ORDER BY ALL", {"wanted": wanted})
            yield from (_Place(*map(str, row)) for row in rows)
            if rows:
                return


def _select(type_name: str, condition: str) -> str:
    # All versions of the key, whatever their time: a condition on _to would keep an index from being used.
    return (
        f"SELECT DISTINCT '{type_name}' AS type, _id, account_id, _region "
        f"FROM {quote(history_name(type_name))} WHERE {condition}"
    )


def _read(catalog: Catalog, place: _Place) -> Resource:
    history = quote(history_name(place.type))
    key = find_keys(catalog.connection, place.type, place.id)
    if key is None:
        cursor = catalog.connection.execute(f"FROM {history} WHERE _id = $id", {"id": place.id})
    else:
        # With any other condition beside it, the index would not be used.
        cursor = catalog.connection.execute(f"FROM {history} WHERE _key = {key}")
    names = [str(column[0]) for column in cursor.description or ()]
    who = [names.index(name) for name in ("_id", "account_id", "_region")]
    since, until = names.index("_from"), names.index("_to")
    rows = [
        row for row in cursor.fetchall() if tuple(row[n] for n in who) == (place.id, place.account_id, place.region)
    ]
    versions: list[Version] = []
    for row in sorted(rows, key=lambda one: (one[since], one[until] is None, one[until])):
        version = _version(dict(zip(names, row, strict=True)), versions[-1] if versions else None)
        versions.append(version)
    whole = run(
        catalog.connection,
        "SELECT complete_at FROM coverage_now WHERE type = $type AND account_id = $account AND region = $region",
        {"type": place.type, "account": place.account_id, "region": place.region},
    )
    complete_at = whole[0][0] if whole else None
    return Resource(place.id, place.type, place.account_id, place.region, tuple(versions), complete_at)


def _version(row: dict[str, Any], before: Version | None) -> Version:
    fields = {name: value for name, value in row.items() if not name.startswith("_")}
    same_resource = before is not None and before.created == row["_created"] and not before.gone
    return Version(
        seen_from=row["_from"],
        seen_to=row["_to"],
        gone=bool(row["_gone"]),
        created=row["_created"],
        sweep_id=row["_sweep"],
        end_sweep_id=row["_end_sweep"],
        fields=dict(sorted(fields.items())),
        unknown=row["_unknown"],
        changes=diff_fields(before.fields, fields) if before is not None and same_resource else (),
    )


def _unknown(catalog: Catalog, types: list[tuple[str, str | None]], wanted: str) -> UserError:
    likeness = "jaro_winkler_similarity(lower(CAST({} AS VARCHAR)), lower($wanted))"
    parts = []
    for name, column in types:
        score = likeness.format("_id")
        if column:
            score = f"greatest({score}, {likeness.format(column)})"
        parts.append(f"SELECT DISTINCT _id, {score} AS score FROM {quote(history_name(name))}")
    rows = run(
        catalog.connection,
        f"SELECT _id FROM ({' UNION ALL '.join(parts)}) WHERE score >= {_NEAR_ENOUGH} "
        f"GROUP BY _id ORDER BY max(score) DESC, _id LIMIT {_NEAREST}",
        {"wanted": wanted},
    )
    nearest = [str(row[0]) for row in rows]
    hint = "Sync its type first, or look for a part of its name: `stocktake search PART`."
    return UserError(
        f"The catalog knows no resource {wanted!r}",
        code="unknown_resource",
        hint=f"Did you mean {', '.join(nearest)}?" if nearest else hint,
        where=str(catalog.path),
    )


def _ambiguous(wanted: str, places: list[_Place]) -> UserError:
    shown = "; ".join(f"{one.id} ({one.type}, {one.account_id}, {one.region})" for one in places[:5])
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return UserError(
        f"{wanted!r} names {len(places)} resources: {shown}{more}",
        code="ambiguous_resource",
        hint="Give the whole ARN, or narrow with --type, --account and --region.",
        where=wanted,
    )


def read_version_batches(catalog: Catalog, resource: Resource, version: Version) -> pa.RecordBatchReader:
    """Return one version of a resource as Arrow, in the types of its table. Shape: one row, the type's fields."""
    relation = catalog.connection.sql(
        "SELECT * EXCLUDE (_key, _to, _gone, _sweep, _end_sweep, _hash, _summary, _settled) "
        f"FROM {quote(history_name(resource.type))} "
        "WHERE _id = $id AND account_id = $account AND _region = $region "
        "AND _from = $seen AND _to IS NOT DISTINCT FROM $to",
        params={
            "id": resource.id,
            "account": resource.account_id,
            "region": resource.region,
            "seen": version.seen_from,
            "to": version.seen_to,
        },
    )
    with translating(catalog.path):
        reader: pa.RecordBatchReader = relation.to_arrow_reader(1)
    return reader
