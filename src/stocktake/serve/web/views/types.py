"""Types, and one type's reference page, as their templates take them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from stocktake.resource_types.permissions import needed_actions, policy_document
from stocktake.resource_types.schema import inner_fields
from stocktake.resource_types.spec import page_type
from stocktake.serve.telling.errata import erratum
from stocktake.serve.telling.plans import path_text, plan_document, proposed_relations
from stocktake.serve.telling.values import to_json
from stocktake.serve.web.pictures.bars import Part, share_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from stocktake.query.schema_facts import FilledField, SchemaChange
    from stocktake.resource_types.generated import TypeName
    from stocktake.resource_types.spec import Field, ResourceType

_MOST_FOUND = 200
_MOST_FIELDS = 100
TIERS = {
    "A": "CloudFormation or the IAM service reference has the noun",
    "B": "an operation makes, starts or ends it",
    "C": "it has an identifier of its own",
    "D": "the rest: events, offers",
}
"""How good the evidence is that a type is one of resources."""


def types_view(
    types: Sequence[TypeName], counts: Mapping[str, int], fields: Mapping[str, Sequence[str]], q: str, service: str
) -> dict[str, Any]:
    """Return the types that words find, or else services with how many they have, and what is held.

    `counts`: held type -> resources; `fields`: held type -> paths of its fields.
    """
    words = q.lower().replace("-", "_").replace("::", " ").split()
    shown = [one for one in types if service in {"", one.service} and _fits(one, words)] if words or service else []
    # The whole name first, then what begins like it, then the rest; held ones before others.
    shown.sort(key=lambda one: (one.noun.lower() not in words, one.name not in counts, one.name))
    return {
        "total": len(types),
        "found": [{"type": one, "count": counts.get(one.name)} for one in shown[:_MOST_FOUND]],
        "found_total": len(shown),
        "found_fields": _found_fields(fields, words),
        "services": sorted(Counter(one.service for one in types).items()),
        "service_total": len({one.service for one in types}),
        "held": [{"type": one, "count": counts[one.name]} for one in types if one.name in counts],
    }


def _fits(one: TypeName, words: Sequence[str]) -> bool:
    said = f"{one.name} {one.noun} {one.service} {one.cloudformation}".lower()
    plain = said.replace("_", "")
    return all(word in said or word in plain for word in words)


def _found_fields(fields: Mapping[str, Sequence[str]], words: Sequence[str]) -> list[tuple[str, str]]:
    """Return held type and path of fields in which all words are."""
    if not words:
        return []
    found = [
        (name, path) for name, paths in fields.items() for path in paths if all(word in path.lower() for word in words)
    ]
    return found[:_MOST_FIELDS]


def field_paths(schema: Mapping[str, Any], above: str = "") -> list[str]:
    """Return the dotted paths of all fields of a schema as the store remembers it."""
    paths = []
    for name, entry in schema.items():
        path = f"{above}{name}"
        paths.append(path)
        if isinstance(entry, list) and isinstance(entry[1], dict):
            paths += field_paths(entry[1], f"{path}.")
    return paths


def type_view(
    one: ResourceType,
    load: Callable[[str], ResourceType],
    known: Container[str],
    filled: Sequence[FilledField],
    changes: Sequence[SchemaChange],
    q: str,
) -> dict[str, Any]:
    """Return a type's page: fields with their descriptions, calls, permissions, relations, reasons."""
    by_path = {each.path: each for each in filled}
    word = q.strip().lower()
    fields = [_field(one.name, field, "", by_path, word) for field in one.fields]
    actions = sorted(needed_actions([one], load))
    relations = list(proposed_relations(one, known))
    plan = plan_document(one)
    return {
        "type": one,
        "tier": TIERS.get(one.tier, ""),
        "fields": [field for field in fields if field is not None],
        "field_total": sum(map(_count, one.fields)),
        "rows": filled[0].rows if filled else None,
        "relations": relations,
        "actions": actions,
        "policy": to_json(policy_document(actions), indent=True).decode(),
        "calls": _calls(one, plan),
        "parent": one.list_call.parent,
        "identity": [path for path in (plan["identity"]["arn"], *plan["identity"]["key"]) if path],
        "life": plan["life_cycle"],
        "inline_tags": plan["inline_tags"],
        "reasons": sorted(one.reasons.items()),
        "changes": [change for change in changes if change.change != "first"],
    }


def _field(
    type_name: str, field: Field, above: str, filled: Mapping[str, FilledField], word: str
) -> dict[str, Any] | None:
    """Return a field with those inside of it; None where neither it nor any of them has the word."""
    path = f"{above}{field.name}"
    children = [
        child
        for each in inner_fields(field.type)
        if (child := _field(type_name, each, f"{path}.", filled, word)) is not None
    ]
    said = f"{path} {field.provider_name or ''} {field.documentation}".lower()
    if word and word not in said and not children:
        return None
    there = filled.get(path)
    note = erratum(type_name, path, field.documentation)
    return {
        "name": field.name,
        "path": path,
        "page_type": page_type(field.type),
        "provider_name": field.provider_name,
        "documentation": field.documentation,
        "note": note,
        "percent": there.percent if there is not None else None,
        "bar": _filled_bar(there) if there is not None else "",
        "children": children,
    }


def _filled_bar(one: FilledField) -> str:
    says = f"{one.filled:,} of {one.rows:,} have it"
    return share_bar(says, [Part(one.filled, "filled", says)], one.rows)


def _count(field: Field) -> int:
    return 1 + sum(map(_count, inner_fields(field.type)))


def _calls(one: ResourceType, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls that read the type, each with what it is given and where its answer has what is asked for."""
    calls = {label: plan[label] for label in ("list", "describe", "tags")}
    calls |= {f"facet {name}": call for name, call in plan["facets"].items()}
    rows = []
    for label, call in calls.items():
        if call is None:
            continue
        given = [f"{member} = {path or 'the item'}" for member, path in call["bindings"].items()]
        given += [f"{member} = {value!r}" for member, value in call["arguments"].items()]
        pagination = call["pagination"] or {}
        rows.append(
            {
                "label": label,
                "operation": call["operation"],
                "given": given,
                "result": call["result"],
                "page_size": pagination.get("page_size"),
                "batch": call.get("batch"),
                "action": call["iam_action"],
            }
        )
    if one.list_call.parent is not None:
        given = [
            f"{member} = {path_text(path) or 'the item'}" for member, path in one.list_call.parent.bindings.items()
        ]
        rows[0]["given"] = [*given, *rows[0]["given"]]
    return rows
