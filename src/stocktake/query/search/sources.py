"""Where rows come from, and how each place says what all resources have: the search table, or one type's versions.

The search table is the fast way. A type's own table is asked where a search names a field of the type, or a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake.store.resource_rows import (
    HeldType,
    has_tags,
    literal,
    name_expression,
    state_expression,
    tags_expression,
    text_expression,
)
from stocktake.store.type_tables import history_name, quote

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """Which versions count: those that hold now, those that held then, or the last ones of what is deleted."""

    at: datetime | None = None
    """UTC."""
    of_deleted: bool = False

    @property
    def is_now(self) -> bool:
        """Return whether it is about what exists now."""
        return self.at is None and not self.of_deleted

    def literal(self) -> str:
        """Return the time as SQL."""
        assert self.at is not None  # noqa: S101 - asked only then
        return f"TIMESTAMP '{self.at.replace(tzinfo=None).isoformat(sep=' ')}'"

    def condition(self, row: str) -> str:
        """Return the condition as SQL."""
        if self.of_deleted:
            return f"{row}._gone AND {row}._to = _d._last"
        if self.at is None:
            return f"{row}._to IS NULL"
        then = self.literal()
        return f"{row}._from <= {then} AND ({row}._to IS NULL OR {row}._to > {then})"


class Source(ABC):
    """A place that rows come from. `column` notes what is used, so that `table` joins no more than that."""

    held: HeldType | None = None
    scope: str
    rowid: str

    @abstractmethod
    def column(self, name: str) -> str:
        """Return the SQL of a column that all resources have."""

    @abstractmethod
    def has_tag(self) -> str:
        """Return whether there is any tag, as SQL."""

    @abstractmethod
    def table(self) -> str:
        """Return what stands after FROM, once all columns are asked for."""

    @abstractmethod
    def scope_condition(self, condition: str) -> str:
        """Return a condition on the columns of scopes as one on the rows."""


class IndexSource(Source):
    """The search table."""

    scope = "_i.scope"
    rowid = "_i.rowid"

    def __init__(self, scopes: str) -> None:
        self._scopes = scopes
        self._with_scopes = False

    def column(self, name: str) -> str:
        """Return the SQL of a column that all resources have."""
        if name == "tags":
            return "list_transform(map_entries(_i.tags), lambda _e: _e.key || ':' || _e.value)"
        if name == "last_seen_at":
            self._with_scopes = True
            return "greatest(_s.complete_at, _i.changed_at)"
        return "_i.id" if name == "key" else f"_i.{name}"

    def has_tag(self) -> str:
        """Return whether there is any tag, as SQL."""
        return "cardinality(_i.tags) > 0"

    def table(self) -> str:
        """Return what stands after FROM."""
        join = f" JOIN {self._scopes} AS _s ON _s.scope = _i.scope" if self._with_scopes else ""
        return f"resource_index AS _i{join}"

    def scope_condition(self, condition: str) -> str:
        """Return a condition on the columns of scopes as one on the rows."""
        return f"_i.scope IN (SELECT scope FROM {self._scopes} WHERE {condition})"


class TypeSource(Source):
    """The versions of one type."""

    scope = "_s.scope"
    rowid = "_h.rowid"

    def __init__(self, held: HeldType, moment: Moment, scopes: str) -> None:
        self.held: HeldType = held
        self._moment = moment
        self._scopes = scopes
        self._with_first = False

    def column(self, name: str) -> str:
        """Return the SQL of a column that all resources have."""
        match name:
            case "key":
                return "_h._id"
            case "name":
                return name_expression(self.held, "_h")
            case "state":
                return state_expression(self.held, "_h")
            case "tags":
                return tags_expression(self.held, "_h")
            case "created_at":
                return "_h._created"
            case "changed_at":
                return "_h._from"
            case "first_seen_at":
                self._with_first = True
                return "_f._first"
            case "last_seen_at":
                return "greatest(_s.complete_at, _h._from)"
            case _:
                return text_expression(self.held, "_h")

    def has_tag(self) -> str:
        """Return whether there is any tag, as SQL."""
        return f"len({self.column('tags')}) > 0"

    @property
    def is_past(self) -> bool:
        """Return whether it is asked about another time than now."""
        return not self._moment.is_now

    @property
    def of_deleted(self) -> bool:
        """Return whether it is asked about what is gone."""
        return self._moment.of_deleted

    @property
    def has_tags(self) -> bool:
        """Return whether the type has tags."""
        return has_tags(self.held)

    def table(self) -> str:
        """Return what stands after FROM, and the condition under which versions count."""
        history = quote(history_name(self.held.name))
        # Underscored, since a type may have a field of any other name.
        scopes = (
            f"(SELECT scope, account_id, region, complete_at FROM {self._scopes} AS _all "
            f"WHERE _all.type = {literal(self.held.name)}) AS _s"
        )
        joins = ""
        if self._moment.of_deleted:
            joins = (
                " JOIN (SELECT account_id AS _da, _region AS _dr, _id AS _di, max(_to) AS _last "
                f"FROM {history} GROUP BY ALL HAVING count(*) = count(_to)) AS _d "
                "ON _di = _h._id AND _da = _h.account_id AND _dr = _h._region"
            )
        if self._with_first:
            joins += (
                " JOIN (SELECT account_id AS _fa, _region AS _fr, _id AS _fi, _created AS _fc, min(_from) AS _first "
                f"FROM {history} GROUP BY ALL) AS _f ON _fi = _h._id AND _fa = _h.account_id AND _fr = _h._region "
                "AND _fc IS NOT DISTINCT FROM _h._created"
            )
        return f"{history} AS _h JOIN {scopes} ON _s.account_id = _h.account_id AND _s.region = _h._region{joins}"

    def counts(self) -> str:
        """Return the condition under which a version counts."""
        return self._moment.condition("_h")

    def scope_condition(self, condition: str) -> str:
        """Return a condition on the columns of scopes as one on the rows."""
        return f"_s.scope IN (SELECT scope FROM {self._scopes} WHERE {condition})"
