"""Derived types as entries of an index, and back: everything but the fields, which the model itself gives.

An entry leaves out what is as usual (no arguments, scope regional, the permission called like the operation); paths are
dotted, "" is the root. `generate` writes entries, `registry` reads them; docs/derivation.md describes the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.resource_types.derive import with_catalog_fields, with_facet_fields
from stocktake.resource_types.moving import moving_statuses
from stocktake.resource_types.schema import structure_fields
from stocktake.resource_types.shapes import element_shape, input_shape, members, output_shape, shape_at
from stocktake.resource_types.spec import (
    ArnTemplate,
    Batch,
    DescribeCall,
    Facet,
    Identity,
    InlineTags,
    LifeCycle,
    ListCall,
    Pagination,
    ParentCall,
    ResourceType,
    TagsCall,
    TimeFilter,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

Entry = dict[str, Any]
_USUAL_REASONS = {
    "list_call": "paginator's result key",
    "describe_call": "the list item is as full",
    "tags_call": "tags are in the document",
    "identity": "name or id of the noun",
    "final_states": "no end time and no noun of a run: no state is final",
}
"""Left out of entries."""
_USUAL_EVIDENCE = {"A": "CloudFormation and IAM know the noun", "B": "an operation makes, starts or ends it"}
"""Likewise, by tier."""


def encode_type(one: ResourceType) -> Entry:
    """Return a type as an entry."""
    listing, describe, tags = one.list_call, one.describe_call, one.tags_call
    return _without_usual(
        noun=one.noun,
        tier=one.tier,
        scope="" if one.scope == "regional" else one.scope,
        cloudformation=one.cloudformation,
        list=_call(one, listing)
        | _without_usual(
            parent=None
            if listing.parent is None
            else _without_usual(
                type=listing.parent.type,
                bindings=_dotted_values(listing.parent.bindings),
                inherited=listing.parent.inherited,
            ),
            loops=list(listing.loops),
            time_filter=[listing.time_filter.member, listing.time_filter.of] if listing.time_filter else None,
        ),
        describe=None if describe is None else _single_call(one, describe),
        tags=None
        if tags is None
        else _single_call(one, tags)
        | {"members": [tags.key_member, tags.value_member]}
        | _without_usual(binds_arn=tags.binds_arn),
        inline_tags=[_dotted(one.inline_tags.path), one.inline_tags.key_member, one.inline_tags.value_member]
        if one.inline_tags
        else None,
        identity=_identity(one.identity),
        life_cycle=_life_cycle(one.life_cycle),
        facets={facet.name: _facet(one, facet) for facet in one.facets},
        why={part: reason for part, reason in one.reasons.items() if reason != _usual_reasons(one.tier).get(part)},
    )


def decode_type(name: str, entry: Entry, model: ServiceModel, arn_service: str) -> ResourceType:
    """Return the type of an entry that was made from this model."""
    reader = _Reader(model, arn_service)
    listing = reader.list_call(entry["list"])
    describe = reader.describe_call(entry["describe"]) if "describe" in entry else None
    identity = _read_identity(entry["identity"])
    fields, omitted = structure_fields(model, document_shape(model, listing, describe))
    inline = entry.get("inline_tags")
    facets = tuple(reader.facet(name, one) for name, one in entry.get("facets", {}).items())
    own_fields = with_catalog_fields(fields, entry["noun"], has_arn=identity.arn_path is not None)
    return ResourceType(
        name=name,
        provider=name.split("_", 1)[0],
        service=model.name,
        api_version=model.api_version,
        model_version=model.model_version,
        protocol=model.protocol,
        noun=entry["noun"],
        fields=with_facet_fields(model, own_fields, facets),
        list_call=listing,
        describe_call=describe,
        tags_call=reader.tags_call(entry["tags"]) if "tags" in entry else None,
        identity=identity,
        life_cycle=_read_life_cycle(entry.get("life_cycle", {}), model, document_shape(model, listing, describe)),
        arn_service=arn_service,
        inline_tags=None if inline is None else InlineTags(_path(inline[0]), inline[1], inline[2]),
        omitted=omitted,
        reasons=_usual_reasons(entry["tier"]) | entry.get("why", {}),
        tier=entry["tier"],
        scope=entry.get("scope", "regional"),
        cloudformation=entry.get("cloudformation", ""),
        facets=facets,
    )


def document_shape(model: ServiceModel, listing: ListCall, describe: DescribeCall | None) -> str:
    """Return the shape of what is known of a resource in the end: the describe call's answer, else the list item."""
    call = listing if describe is None else describe
    shape = shape_at(model, output_shape(model, call.operation), call.result_path)
    assert shape is not None  # noqa: S101 - the entry was made from this model
    return element_shape(model, shape) or shape


def _usual_reasons(tier: str) -> dict[str, str]:
    return _USUAL_REASONS | ({"tier": _USUAL_EVIDENCE[tier]} if tier in _USUAL_EVIDENCE else {})


def _without_usual(**members: object) -> Entry:
    """Return the members that say something."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {}, ())}


def _call(one: ResourceType, call: ListCall | DescribeCall | TagsCall | Facet) -> Entry:
    usual = call.iam_action == f"{one.arn_service}:{call.operation}"
    return {"operation": call.operation, "result": _dotted(call.result_path)} | _without_usual(
        arguments=call.arguments,
        context=call.context,
        pages=None if isinstance(call, DescribeCall) else _pages(call.pagination),
        iam_action="" if usual else call.iam_action,
    )


def _single_call(one: ResourceType, call: DescribeCall | TagsCall) -> Entry:
    batch = call.batch
    return _call(one, call) | _without_usual(
        bindings=_dotted_values(call.bindings),
        inherited=call.inherited,
        optional=list(call.optional) if isinstance(call, DescribeCall) else None,
        batch=None
        if batch is None
        else {"member": batch.member, "chunk": batch.chunk}
        | _optional_paths(answer_key=batch.answer_key, value=batch.value_path or None),
    )


def _facet(one: ResourceType, facet: Facet) -> Entry:
    return _call(one, facet) | _without_usual(
        bindings=_dotted_values(facet.bindings),
        inherited=facet.inherited,
        omitted=list(facet.omitted),
        absent=list(facet.absent_codes),
    )


def _pages(pages: Pagination | None) -> Entry | None:
    if pages is None:
        return None
    return (
        {"input": pages.input_token, "output": _dotted(pages.output_token)}
        | _without_usual(
            limit=pages.limit_key,
            size=pages.page_size,
            origin="" if pages.origin == "paginator" else pages.origin,
            further={member: _dotted(path) for member, path in pages.further_tokens},
        )
        | _optional_paths(last_item=pages.last_item_path)
    )


def _identity(identity: Identity) -> Entry:
    made = identity.arn_template
    return _optional_paths(
        arn=identity.arn_path,
        created=identity.created_path,
        item_arn=identity.item_arn_path,
        item_created=identity.item_created_path,
    ) | _without_usual(
        keys=[_dotted(path) for path in identity.key_paths],
        item_keys=[_dotted(path) for path in identity.item_key_paths],
        inherited_keys=list(identity.inherited_keys),
        template=None
        if made is None
        else {"text": made.text, "bindings": _dotted_values(made.bindings)} | _without_usual(inherited=made.inherited),
    )


def _life_cycle(life: LifeCycle) -> Entry:
    return _optional_paths(
        state=life.state_path,
        item_state=life.item_state_path,
        item_modified=life.item_modified_path,
        ended=life.ended_path,
        item_ended=life.item_ended_path,
    ) | _without_usual(final=sorted(life.final_states))


def _optional_paths(**paths: Path | None) -> Entry:
    return {name: _dotted(path) for name, path in paths.items() if path is not None}


def _dotted(path: Path) -> str:
    return ".".join(path)


def _dotted_values(bindings: Mapping[str, Path]) -> dict[str, str]:
    return {member: _dotted(path) for member, path in bindings.items()}


class _Reader:
    """Reads the calls of an entry."""

    def __init__(self, model: ServiceModel, arn_service: str) -> None:
        self._model = model
        self._arn_service = arn_service

    def list_call(self, entry: Entry) -> ListCall:
        parent = entry.get("parent")
        asked = entry.get("time_filter")
        return ListCall(
            **self._call(entry),
            pagination=_read_pages(entry.get("pages")),
            parent=None
            if parent is None
            else ParentCall(parent["type"], _paths(parent.get("bindings", {})), parent.get("inherited", {})),
            loops={member: self._values(entry["operation"], member) for member in entry.get("loops", ())},
            time_filter=None if asked is None else TimeFilter(*asked),
        )

    def describe_call(self, entry: Entry) -> DescribeCall:
        return DescribeCall(**self._call(entry), **_read_single(entry), optional=tuple(entry.get("optional", ())))

    def tags_call(self, entry: Entry) -> TagsCall:
        key_member, value_member = entry["members"]
        return TagsCall(
            **self._call(entry),
            **_read_single(entry),
            pagination=_read_pages(entry.get("pages")),
            key_member=key_member,
            value_member=value_member,
            binds_arn=entry.get("binds_arn", ""),
        )

    def facet(self, name: str, entry: Entry) -> Facet:
        return Facet(
            name,
            **self._call(entry),
            bindings=_paths(entry.get("bindings", {})),
            inherited=entry.get("inherited", {}),
            pagination=_read_pages(entry.get("pages")),
            omitted=tuple(entry.get("omitted", ())),
            absent_codes=tuple(entry.get("absent", ())),
        )

    def _call(self, entry: Entry) -> dict[str, Any]:
        return {
            "operation": entry["operation"],
            "result_path": _path(entry["result"]),
            "arguments": entry.get("arguments", {}),
            "context": entry.get("context", {}),
            "iam_action": entry.get("iam_action") or f"{self._arn_service}:{entry['operation']}",
        }

    def _values(self, operation: str, member: str) -> tuple[str, ...]:
        shape = members(self._model, input_shape(self._model, operation))[member]["shape"]
        return tuple(map(str, self._model.shapes[shape]["enum"]))


def _read_single(entry: Entry) -> dict[str, Any]:
    batch = entry.get("batch")
    return {
        "bindings": _paths(entry.get("bindings", {})),
        "inherited": entry.get("inherited", {}),
        "batch": None
        if batch is None
        else Batch(batch["member"], batch["chunk"], _path_in(batch, "answer_key"), _path(batch.get("value", ""))),
    }


def _read_pages(entry: Entry | None) -> Pagination | None:
    if entry is None:
        return None
    return Pagination(
        input_token=entry["input"],
        output_token=_path(entry["output"]),
        limit_key=entry.get("limit"),
        page_size=entry.get("size"),
        origin=entry.get("origin", "paginator"),
        further_tokens=tuple((member, _path(path)) for member, path in entry.get("further", {}).items()),
        last_item_path=_path_in(entry, "last_item"),
    )


def _read_identity(entry: Entry) -> Identity:
    made = entry.get("template")
    return Identity(
        arn_path=_path_in(entry, "arn"),
        key_paths=tuple(map(_path, entry.get("keys", ()))),
        created_path=_path_in(entry, "created"),
        item_arn_path=_path_in(entry, "item_arn"),
        item_key_paths=tuple(map(_path, entry.get("item_keys", ()))),
        item_created_path=_path_in(entry, "item_created"),
        arn_template=None
        if made is None
        else ArnTemplate(made["text"], _paths(made["bindings"]), made.get("inherited", {})),
        inherited_keys=tuple(entry.get("inherited_keys", ())),
    )


def _read_life_cycle(entry: Entry, model: ServiceModel, shape: str) -> LifeCycle:
    state = _path_in(entry, "state")
    return LifeCycle(
        state_path=state,
        item_state_path=_path_in(entry, "item_state"),
        final_states=frozenset(entry.get("final", ())),
        item_modified_path=_path_in(entry, "item_modified"),
        ended_path=_path_in(entry, "ended"),
        item_ended_path=_path_in(entry, "item_ended"),
        # Read from the model each time: it takes no deriving.
        moving=moving_statuses(model, shape, state) if "final" in entry else (),
    )


def _path_in(entry: Entry, name: str) -> Path | None:
    return _path(entry[name]) if name in entry else None


def _path(dotted: str) -> Path:
    return tuple(dotted.split(".")) if dotted else ()


def _paths(dotted: Mapping[str, str]) -> dict[str, Path]:
    return {member: _path(path) for member, path in dotted.items()}
