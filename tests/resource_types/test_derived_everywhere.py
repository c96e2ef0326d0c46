"""What must hold of every type of every service, with botocore's own model classes as judge."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import ServiceModel as BotocoreModel

    from stocktake.resource_types.spec import Path, ResourceType

    Derived = list[tuple[ResourceType, BotocoreModel, Mapping[str, Any]]]


def at(shape: Any, path: Path) -> Any:
    """Return botocore's shape at the end of a path; lists on the way stand for their elements."""
    for part in path:
        while shape.type_name == "list":
            shape = shape.member
        shape = shape.members[part]
    return shape


def element(shape: Any) -> Any:
    assert shape.type_name == "list"
    return shape.member


def calls(one: ResourceType) -> Iterator[tuple[str, Mapping[str, Any], Path]]:
    yield one.list_call.operation, one.list_call.arguments, one.list_call.result_path
    if one.describe_call is not None:
        yield one.describe_call.operation, one.describe_call.bindings, one.describe_call.result_path
    if one.tags_call is not None:
        given = one.tags_call.bindings | one.tags_call.arguments
        yield one.tags_call.operation, given, one.tags_call.result_path


def test_every_call_gives_all_that_is_required_and_nothing_unknown(everything: Derived) -> None:
    for one, judge, _ in everything:
        for operation, given, path in calls(one):
            model = judge.operation_model(operation)
            request = model.input_shape
            assert not model.deprecated
            assert set(given) <= set(request.members if request else ()), one.name
            assert set(request.required_members if request else ()) <= set(given), one.name
            at(model.output_shape, path)


def shapes(one: ResourceType, judge: BotocoreModel) -> tuple[Any, Any]:
    """Return the shapes of list item and document."""
    item = element(at(judge.operation_model(one.list_call.operation).output_shape, one.list_call.result_path))
    if one.describe_call is None:
        return item, item
    return item, at(judge.operation_model(one.describe_call.operation).output_shape, one.describe_call.result_path)


def test_every_path_leads_to_what_it_says(everything: Derived) -> None:
    for one, judge, _ in everything:
        item, document = shapes(one, judge)
        assert document.type_name == "structure", one.name
        who, life = one.identity, one.life_cycle
        stated: list[tuple[Any, Path | None, str]] = [
            (document, who.arn_path, "string"),
            (item, who.item_arn_path, "string"),
            (document, who.created_path, "timestamp"),
            (item, who.item_created_path, "timestamp"),
            (document, life.state_path, "string"),
            (item, life.item_state_path, "string"),
            (document, life.ended_path, "timestamp"),
            (item, life.item_ended_path, "timestamp"),
            (item, life.item_modified_path, "timestamp"),
            *((document, path, "string") for path in who.key_paths),
            *((item, path, "string") for path in who.item_key_paths),
        ]
        for shape, path, kind in stated:
            if path is not None:
                assert at(shape, path).type_name == kind, (one.name, path)
        if one.describe_call is not None:
            for path in one.describe_call.bindings.values():
                assert at(item, path).type_name == "string", one.name


def test_every_type_is_identified_and_has_the_catalogs_fields(everything: Derived) -> None:
    for one, _, _ in everything:
        who = one.identity
        assert who.arn_path or who.key_paths or who.item_arn_path is not None or who.item_key_paths, one.name
        names = [field.name for field in one.fields]
        assert names == sorted(set(names)), one.name
        assert {"account_id", "tags"} <= set(names)
        computed = {field.name for field in one.fields if field.provider_name is None} - {"account_id", "tags"}
        assert len(computed) == (0 if who.arn_path else 1), one.name


def test_pages_are_botocores_where_botocore_has_them(everything: Derived) -> None:
    origins: collections.Counter[str] = collections.Counter()
    for one, judge, paginators in everything:
        pages = one.list_call.pagination
        stated = paginators.get(one.list_call.operation)
        origins[pages.origin if pages else "none"] += 1
        request = judge.operation_model(one.list_call.operation).input_shape
        if stated is not None:
            assert pages is not None
            inputs = stated["input_token"] if isinstance(stated["input_token"], list) else [stated["input_token"]]
            assert [pages.input_token, *(name for name, _ in pages.further_tokens)] == inputs
            assert pages.limit_key == stated.get("limit_key")
        elif pages is None:
            tokens = [
                name for name in (request.members if request else ()) if name.lower().endswith(("token", "marker"))
            ]
            assert tokens == [], f"{one.name}: pages after the first would be lost"
        if pages is not None:
            assert request is not None
            assert pages.input_token in request.members
            assert pages.limit_key is None or pages.limit_key in request.members
            at(judge.operation_model(one.list_call.operation).output_shape, pages.output_token)
    assert origins["paginator"] > 1000
    assert origins["none"] < 60


def test_tags_come_from_one_place(everything: Derived) -> None:
    places: collections.Counter[str] = collections.Counter()
    for one, judge, _ in everything:
        assert one.inline_tags is None or one.tags_call is None
        _, document = shapes(one, judge)
        shape, keys = None, ("", "")
        if one.inline_tags is not None:
            shape, keys = at(document, one.inline_tags.path), (one.inline_tags.key_member, one.inline_tags.value_member)
            places["document"] += 1
        elif one.tags_call is not None:
            output = judge.operation_model(one.tags_call.operation).output_shape
            shape = at(output, one.tags_call.result_path)
            keys = (one.tags_call.key_member, one.tags_call.value_member)
            places["call"] += 1
        if shape is None:
            continue
        if keys == ("", ""):
            assert (shape.type_name, shape.value.type_name) == ("map", "string"), one.name
        else:
            assert [element(shape).members[key].type_name for key in keys] == ["string", "string"], one.name
    assert places["document"] > 400
    assert places["call"] > 600


def test_every_decision_has_its_reason(everything: Derived) -> None:
    for one, _, _ in everything:
        assert set(one.reasons) == {"list_call", "describe_call", "tags_call", "identity", "final_states"}
        assert all(one.reasons.values())


def test_breadth_does_not_shrink(everything: Derived) -> None:
    """Types that can be read at top level, and services that have any: raise these as rules are added."""
    assert len(everything) >= 1520
    assert len({one.service for one, _, _ in everything}) >= 300
    assert sum(1 for one, _, _ in everything if one.describe_call is not None) >= 690
