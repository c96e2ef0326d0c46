"""A small type made by hand, for tests of rooms that do not care where a type comes from."""

from __future__ import annotations

from dataclasses import replace

from stocktake.resource_types.spec import (
    DescribeCall,
    Field,
    Identity,
    Kind,
    LifeCycle,
    ListCall,
    ResourceType,
    TagsCall,
    ValueType,
)

STRING = ValueType(Kind.STRING)


def string_field(name: str, provider_name: str | None) -> Field:
    return Field(name, STRING, provider_name, provider_name)


def thing_type(*extra: Field, model_version: str = "test 1") -> ResourceType:
    """Return `aws_test_thing`: an ARN, a name, a state, times and a nested part, plus what a test adds."""
    part = ValueType(
        Kind.STRUCT, fields=(string_field("color", "Color"), Field("size", ValueType(Kind.INT32), "Size", "Size"))
    )
    time = ValueType(Kind.TIMESTAMP, timestamp_format="unixTimestamp")
    fields = [
        string_field("account_id", None),
        Field("created_at", time, "CreatedAt", "CreatedAt"),
        Field("ended_at", time, "EndedAt", "EndedAt"),
        Field("modified_at", time, "ModifiedAt", "ModifiedAt"),
        string_field("name", "Name"),
        Field("part", part, "Part", "Part"),
        Field("parts", ValueType(Kind.LIST, element=part), "Parts", "Parts"),
        string_field("state", "State"),
        Field("tags", ValueType(Kind.LIST, element=STRING), None, None),
        string_field("thing_arn", "ThingArn"),
        *extra,
    ]
    return ResourceType(
        name="aws_test_thing",
        provider="aws",
        service="test",
        api_version="2020-01-01",
        model_version=model_version,
        protocol="json",
        noun="Thing",
        fields=tuple(sorted(fields, key=lambda f: f.name)),
        list_call=ListCall("ListThings", ("Things",), None, iam_action="test:ListThings"),
        describe_call=DescribeCall("DescribeThing", {"Name": ("Name",)}, (), iam_action="test:DescribeThing"),
        tags_call=TagsCall("ListTags", {"ResourceArn": ("ThingArn",)}, ("Tags",), iam_action="test:ListTags"),
        identity=Identity(
            arn_path=("ThingArn",),
            key_paths=(("Name",),),
            created_path=("CreatedAt",),
            item_arn_path=("ThingArn",),
            item_key_paths=(("Name",),),
            item_created_path=("CreatedAt",),
        ),
        life_cycle=LifeCycle(
            state_path=("State",),
            item_state_path=("State",),
            final_states=frozenset({"Done"}),
            item_modified_path=("ModifiedAt",),
            ended_path=("EndedAt",),
            item_ended_path=None,
        ),
        arn_service="test",
    )


def with_part_fields(resource_type: ResourceType, *added: Field) -> ResourceType:
    """Return the type with more members in `part` and in the elements of `parts`."""

    def widened(field: Field) -> Field:
        if field.name == "part":
            return replace(field, type=replace(field.type, fields=(*field.type.fields, *added)))
        if field.name == "parts" and field.type.element is not None:
            element = replace(field.type.element, fields=(*field.type.element.fields, *added))
            return replace(field, type=replace(field.type, element=element))
        return field

    return replace(resource_type, fields=tuple(widened(f) for f in resource_type.fields))
