"""What must hold of every type of every service, with botocore's own model classes as judge."""

from __future__ import annotations

import collections
import re
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


def calls(one: ResourceType) -> Iterator[tuple[str, set[str], Path]]:
    listing = one.list_call
    given = {*listing.arguments, *listing.loops, *listing.context}
    if listing.parent is not None:
        given |= {*listing.parent.bindings, *listing.parent.inherited}
    if listing.pagination is not None and listing.pagination.limit_key and listing.pagination.page_size:
        given.add(listing.pagination.limit_key)  # readers ask for the longest page
    yield listing.operation, given, listing.result_path
    for call in (one.describe_call, one.tags_call):
        if call is not None:
            given = {*call.bindings, *call.arguments, *call.inherited, *call.context}
            if call is one.tags_call:
                given |= {call.binds_arn} - {""}
            yield call.operation, {name.split(".")[0] for name in given}, call.result_path
    for facet in one.facets:
        given = {*facet.bindings, *facet.arguments, *facet.inherited, *facet.context}
        if facet.pagination is not None and facet.pagination.limit_key:
            given |= {facet.pagination.limit_key} & {"MaxResults", "maxResults"}
        yield facet.operation, given, facet.result_path


def test_every_call_gives_all_that_is_required_and_nothing_unknown(everything: Derived) -> None:
    for one, judge, _ in everything:
        for operation, given, path in calls(one):
            model = judge.operation_model(operation)
            request = model.input_shape
            assert not model.deprecated
            assert given <= set(request.members if request else ()), one.name
            assert set(request.required_members if request else ()) <= given, one.name
            at(model.output_shape, path)


def shapes(one: ResourceType, judge: BotocoreModel) -> tuple[Any, Any]:
    """Return the shapes of list item and document."""
    item = element(at(judge.operation_model(one.list_call.operation).output_shape, one.list_call.result_path))
    if one.describe_call is None:
        return item, item
    document = at(judge.operation_model(one.describe_call.operation).output_shape, one.describe_call.result_path)
    return item, element(document) if one.describe_call.batch is not None else document


def asked_at(request: Any, member: str) -> Any:
    """Return the shape of a request member, which a dotted name leads to, or of one of many."""
    found = at(request, tuple(member.split(".")))
    return found.member if found.type_name == "list" else found


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
            request = judge.operation_model(one.describe_call.operation).input_shape
            for member, path in one.describe_call.bindings.items():
                assert at(item, path).type_name == "string", one.name
                assert asked_at(request, member).type_name == "string", one.name


def test_parents_are_types_that_hold_what_their_children_ask_for(everything: Derived) -> None:
    by_name = {one.name: (one, judge) for one, judge, _ in everything}
    for one, judge, _ in everything:
        link = one.list_call.parent
        if link is None:
            continue
        above, its_judge = by_name[link.type]
        assert above.service == one.service
        item, document = shapes(above, its_judge)
        for path in link.bindings.values():
            assert any(reaches(shape, path) for shape in (item, document)), one.name
        assert set(link.inherited.values()) <= listing_of(above), one.name
        request = judge.operation_model(one.list_call.operation).input_shape
        assert {request.members[name].type_name for name in (*link.bindings, *link.inherited)} == {"string"}
        seen = {one.name}
        while above.list_call.parent is not None:
            assert above.name not in seen, "a circle of parents"
            seen.add(above.name)
            above, _ = by_name[above.list_call.parent.type]


def reaches(shape: Any, path: Path) -> bool:
    try:
        return bool(at(shape, path).type_name == "string")
    except (AttributeError, KeyError):
        return False


def listing_of(one: ResourceType) -> set[str]:
    link = one.list_call.parent
    return set(one.list_call.loops) | (set() if link is None else {*link.bindings, *link.inherited})


def test_what_calls_and_identity_take_from_the_listing_is_in_it(everything: Derived) -> None:
    for one, judge, _ in everything:
        listing = listing_of(one)
        for call in (one.describe_call, one.tags_call):
            assert call is None or set(call.inherited.values()) <= listing, one.name
        assert set(one.identity.inherited_keys) <= listing
        made = one.identity.arn_template
        if made is None:
            continue
        item, document = shapes(one, judge)
        scope = {"partition", "region", "account_id"}
        assert set(re.findall(r"{([^}]+)}", made.text)) - scope == {*made.bindings, *made.inherited}, one.name
        assert set(made.inherited.values()) <= listing
        for path in made.bindings.values():
            assert any(reaches(shape, path) for shape in (item, document)), one.name


def test_loops_are_over_all_that_an_input_may_be(everything: Derived) -> None:
    for one, judge, _ in everything:
        for member, values in one.list_call.loops.items():
            shape = judge.operation_model(one.list_call.operation).input_shape.members[member]
            assert list(values) == list(shape.enum), one.name


def test_batches_take_lists_and_name_their_answers(everything: Derived) -> None:
    many = [(one, judge, call) for one, judge, _ in everything for call in (one.describe_call, one.tags_call) if call]
    for one, judge, call in many:
        if call.batch is None:
            continue
        model = judge.operation_model(call.operation)
        assert model.input_shape.members[call.batch.member].type_name == "list", one.name
        assert call.batch.member in call.bindings
        assert call.batch.chunk >= 1
        entry = element(at(model.output_shape, call.result_path))
        if call.batch.answer_key is not None:
            assert at(entry, call.batch.answer_key).type_name == "string"
        at(entry, call.batch.value_path)


def test_time_filters_are_times(everything: Derived) -> None:
    found = [(one, judge, one.list_call.time_filter) for one, judge, _ in everything if one.list_call.time_filter]
    for one, judge, asked in found:
        request = judge.operation_model(one.list_call.operation).input_shape
        assert request.members[asked.member].type_name == "timestamp"
    assert len(found) > 100


def test_every_type_is_identified_and_has_the_catalogs_fields(everything: Derived) -> None:
    for one, _, _ in everything:
        who = one.identity
        assert who.arn_path or who.key_paths or who.item_arn_path is not None or who.item_key_paths, one.name
        assert one.tier in {"A", "B", "C"}
        names = [field.name for field in one.fields]
        sides = [facet.name for facet in one.facets]
        own = names[: len(names) - len(sides)]
        assert own == sorted(set(own)), one.name
        assert names[len(own) :] == sides == sorted(set(sides) - set(own)), one.name
        assert {"account_id", "tags"} <= set(names)
        computed = {field.name for field in one.fields if field.provider_name is None} - {"account_id", "tags"}
        assert len(computed) == (0 if who.arn_path else 1), one.name


def test_facets_are_asked_with_what_the_resource_says_and_fit_their_fields(everything: Derived) -> None:
    found: collections.Counter[str] = collections.Counter()
    for one, judge, _ in everything:
        item, document = shapes(one, judge)
        for facet in one.facets:
            found[one.tier] += 1
            model = judge.operation_model(facet.operation)
            assert facet.iam_action, one.name
            assert set(facet.inherited.values()) <= listing_of(one), one.name
            for path in facet.bindings.values():
                assert any(reaches(shape, path) for shape in (item, document)), (one.name, facet.name)
            side = at(model.output_shape, facet.result_path)
            field = one.field(facet.name)
            assert field is not None
            assert field.provider_name == facet.operation
            assert (field.type.kind == "LIST") == (side.type_name == "list"), (one.name, facet.name)
            assert facet.pagination is None or side.type_name == "list"
            assert set(facet.omitted) <= set(model.output_shape.members)
    assert set(found) == {"A", "B"}
    assert sum(found.values()) > 200


def test_no_facet_reads_what_is_secret(everything: Derived) -> None:
    operations = {f"{one.service}:{facet.operation}" for one, _, _ in everything for facet in one.facets}
    words = re.compile("Secret(?!s?Policy)|Password|Credential|Token|PrivateKey|Presigned")
    assert not {one for one in operations if words.search(one.split(":")[1])}


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
        if pages is not None and pages.last_item_path is not None:
            output = judge.operation_model(one.list_call.operation).output_shape
            assert at(output, pages.output_token).type_name == "boolean"
            at(element(at(output, one.list_call.result_path)), pages.last_item_path)
        if pages is not None:
            assert request is not None
            assert pages.input_token in request.members, one.name
            assert pages.limit_key is None or pages.limit_key in request.members
            at(judge.operation_model(one.list_call.operation).output_shape, pages.output_token)
    assert origins["paginator"] > 1000
    assert origins["none"] < 150


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
            if one.tags_call.batch is not None:
                shape = at(element(shape), one.tags_call.batch.value_path)
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
        parts = {"list_call", "describe_call", "tags_call", "identity", "final_states", "tier"}
        assert set(one.reasons) == parts | {f"facet {facet.name}" for facet in one.facets}
        assert all(one.reasons.values())


def test_breadth_does_not_shrink(everything: Derived) -> None:
    """Types that can be read at top level, and services that have any: raise these as rules are added."""
    assert len(everything) >= 1520
    assert len({one.service for one, _, _ in everything}) >= 300
    assert sum(1 for one, _, _ in everything if one.describe_call is not None) >= 690
