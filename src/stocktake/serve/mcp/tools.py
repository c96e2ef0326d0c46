"""The tools: each parses its arguments, asks one thing, and says it in JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stocktake.core.errors import UserError
from stocktake.insights.names import named_in, names_of_ours
from stocktake.policies.judging import judge
from stocktake.policies.packs import pick_rules
from stocktake.policies.reports import finding_row
from stocktake.query.changes import read_changes
from stocktake.query.resources import find_resource
from stocktake.query.schema_tree import read_columns, read_tables
from stocktake.query.search.run import search as run_search
from stocktake.relations.walk import Node, walk_relations
from stocktake.resource_types.export import schema_as_json
from stocktake.serve.mcp.desk import MOST_ROWS
from stocktake.serve.telling.described import described_type
from stocktake.serve.telling.documents import page_document, resource_document

if TYPE_CHECKING:
    from stocktake.query.resources import Resource
    from stocktake.serve.mcp.desk import Desk
    from stocktake.store.catalog import Catalog

_DAYS = 7
AsOf = Annotated[
    str,
    Field(
        description="As it was then: 2026-01-31T12:00:00Z, 2026-01-31, yesterday, 2h ago. Now, if empty.", max_length=64
    ),
]
Key = Annotated[str, Field(description="The resource's ARN, or its name where that is enough.", max_length=2_048)]
Type = Annotated[str, Field(description="Look among this type only: aws_sagemaker_trainingjob.", max_length=200)]
Types = Annotated[list[str] | None, Field(description="Of these types only.", max_length=50)]
Limit = Annotated[int, Field(description="At most so many.", ge=0, le=1_000)]


class Tools:
    """The tools over one desk; their names and docstrings are what agents read."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def search(  # noqa: PLR0913 - what an agent may say, all of it optional
        self,
        *,
        search: Annotated[
            str,
            Field(
                description="Words and key:value, all of which must hold: team:vision -env:prod name:*part* "
                "resource_config.instance_type:ml.p4d* training_time_in_seconds:>3600 creation_time:>now-7d (a OR b). "
                "Everything, if empty.",
                max_length=8_000,
            ),
        ] = "",
        types: Types = None,
        facets: Annotated[
            list[str] | None, Field(description="Count what is found by these keys: type, team, state.", max_length=20)
        ] = None,
        group_by: Annotated[str, Field(description="Count by this key instead of listing.", max_length=200)] = "",
        sort: Annotated[
            str, Field(description="A key of all resources; - for descending.", max_length=64)
        ] = "-changed_at",
        limit: Limit = 20,
        after: Annotated[str, Field(description="Go on where an earlier page ended.", max_length=2_000)] = "",
        as_of: AsOf = "",
        deleted: Annotated[bool, Field(description="Search what is gone, as it was last seen.")] = False,
    ) -> str:
        """Find cloud resources of all types by words, tags and any field, and count them by facets."""
        if as_of and deleted:
            raise UserError(
                "What is deleted is searched as it was last seen",
                code="bad_arguments",
                hint="Give as_of or deleted, not both.",
            )
        desk = self._desk
        with desk.reading() as catalog:
            page = run_search(
                catalog,
                search,
                types=types or (),
                facets=facets or (),
                group_by=group_by or None,
                limit=0 if group_by else limit,
                after=after or None,
                sort=sort,
                as_of=desk.moment(as_of),
                deleted=deleted,
                now=desk.now(),
                reach=desk.reach,
            )
        return desk.told(page_document(page))

    def query(
        self,
        sql: Annotated[
            str,
            Field(
                description="One statement that only reads, in DuckDB's dialect: SELECT type, count(*) FROM resources "
                "GROUP BY 1. `schema` tells the tables and their columns.",
                min_length=1,
                max_length=100_000,
            ),
        ],
        as_of: AsOf = "",
        rows: Annotated[
            int, Field(description="At most so many; it is told if there are more.", ge=0, le=MOST_ROWS)
        ] = 200,
        seconds: Annotated[
            float, Field(description="Stop it after so long; 0: as long as allowed.", ge=0, le=3_600)
        ] = 0,
    ) -> str:
        """Ask the catalog a question in SQL: tables of all types, resources, relations, changes, coverage, jobs."""
        desk = self._desk
        columns, found, truncated = desk.run_sql(sql, rows=rows, seconds=seconds or None, as_of=desk.moment(as_of))
        return desk.told({"columns": columns, "rows": found, "truncated": truncated})

    def schema(
        self,
        table: Annotated[
            str, Field(description="A type or another table; all tables are listed if it is empty.", max_length=200)
        ] = "",
        part: Annotated[
            str, Field(description="Only fields whose path has this in it; with their descriptions.", max_length=200)
        ] = "",
    ) -> str:
        """List the tables, or the columns of one; or tell what the provider says of a type's fields."""
        desk = self._desk
        with desk.reading() as catalog:
            if not table:
                tables = read_tables(catalog, names_of_ours(), reach=desk.reach)
                return desk.told({"tables": [asdict(one) for one in tables]})
            named = named_in(catalog, f'"{table}"', desk.prices, reach=desk.reach)
            columns = read_columns(catalog, table, named, reach=desk.reach)
        if not part:
            return desk.told({"table": table, "columns": [{"name": one.name, "type": one.type} for one in columns]})
        return desk.told({"table": table, "fields": _fields(table, part)})

    def resource(
        self,
        key: Key,
        type: Type = "",  # noqa: A002 - agents know it by this name
        account_id: Annotated[str, Field(description="Look in this account only.", max_length=64)] = "",
        region: Annotated[str, Field(description="Look in this region only.", max_length=64)] = "",
        as_of: AsOf = "",
    ) -> str:
        """Show one resource, now or as it was, with all its fields and what changed from version to version."""
        desk = self._desk
        moment = desk.moment(as_of)
        with desk.reading() as catalog:
            found = self._find(catalog, key, type, account_id, region)
        return desk.told(resource_document(found, found.version_at(moment), moment))

    def changes(
        self,
        search: Annotated[
            str,
            Field(
                description="changed:FIELD, before:VALUE, after:VALUE, id:, account_id:, region:, sweep:; other keys "
                "are those of resources (team:vision). All changes, if empty.",
                max_length=8_000,
            ),
        ] = "",
        since: Annotated[str, Field(description="From then on; by default seven days ago.", max_length=64)] = "",
        until: Annotated[str, Field(description="Up to then; by default now.", max_length=64)] = "",
        types: Types = None,
        kinds: Annotated[
            list[Literal["created", "updated", "deleted"]] | None, Field(description="Of these kinds.")
        ] = None,
        limit: Limit = 50,
    ) -> str:
        """Tell what was created, updated and deleted, newest first, with each field before and after."""
        desk = self._desk
        start = desk.moment(since) or desk.now() - timedelta(days=_DAYS)
        with desk.reading() as catalog:
            found = read_changes(
                catalog,
                start,
                desk.moment(until),
                search=search,
                types=types or (),
                kinds=kinds or (),
                limit=max(1, limit),
                reach=desk.reach,
            )
        records = [
            asdict(one) | {"edits": [{"path": e.path, "before": e.before, "after": e.after} for e in one.edits]}
            for one in found.records
        ]
        return desk.told(
            {
                "since": start,
                "changes": records,
                "more": found.more,
                "first_seen": found.first_seen,
                "notes": found.notes,
            }
        )

    def relations(
        self,
        key: Key,
        type: Type = "",  # noqa: A002 - agents know it by this name
        depth: Annotated[int, Field(description="So many steps far.", ge=1, le=5)] = 1,
        direction: Annotated[
            Literal["both", "out", "in"], Field(description="out: what it refers to; in: what refers to it.")
        ] = "both",
        as_of: AsOf = "",
        limit: Limit = 200,
    ) -> str:
        """Tell what a resource refers to, and what refers to it: roles, subnets, keys, buckets, images and others."""
        desk = self._desk
        with desk.reading() as catalog:
            found = self._find(catalog, key, type)
            walk = walk_relations(
                catalog,
                Node(found.type, found.id, found.account_id, found.region),
                depth=depth,
                direction=direction,
                as_of=desk.moment(as_of),
                limit=max(1, limit),
                reach=desk.reach,
            )
        return desk.told(asdict(walk))

    def findings(
        self,
        types: Types = None,
        policies: Annotated[
            list[str] | None, Field(description="Of these policies, by id; * stands for any text.", max_length=50)
        ] = None,
        severity: Annotated[
            Literal["info", "low", "medium", "high", "critical"], Field(description="At least so severe.")
        ] = "medium",
        status: Annotated[
            Literal["open", "excepted", "not judged", "all"], Field(description="Of this status.")
        ] = "open",
        limit: Limit = 50,
        offset: Annotated[int, Field(description="Leave out so many first.", ge=0)] = 0,
    ) -> str:
        """Judge the resources by policies, and tell what breaks one: why that matters and what to do about it."""
        desk = self._desk
        rules = pick_rules(desk.packs, ids=policies or (), types=types or (), severity=severity)
        near = [one for one in rules if desk.reach.has_type(one.type)]
        with_not_judged = status in {"not judged", "all"}
        with desk.reading() as catalog:
            report = judge(
                catalog,
                desk.packs,
                near,
                desk.now(),
                desk.exceptions,
                with_not_judged=with_not_judged,
                reach=desk.reach,
            )
        rows = [row for row in map(finding_row, report.findings) if status in {"all", row["status"]}]
        shown = rows[offset : offset + limit]
        return desk.told(
            {"total": len(rows), "findings": shown, "resources": report.resources, "cannot": report.cannot}
        )

    def _find(self, catalog: Catalog, key: str, type_name: str, account_id: str = "", region: str = "") -> Resource:

        return find_resource(
            catalog, key, type_name=type_name, account_id=account_id, region=region, reach=self._desk.reach
        )


def _fields(table: str, part: str) -> list[Any]:
    """Return the fields of a type whose path has this in it. Raises: UserError for what is no type."""
    found = described_type(table)
    if found is None:
        raise UserError(
            f"{table} is no type, so that nothing describes its fields",
            code="unknown_type",
            hint="Leave out `part` for its columns.",
            where=table,
        )
    fields: Any = schema_as_json(found)["fields"]
    return [one for one in fields if part.lower() in one["path"]]
