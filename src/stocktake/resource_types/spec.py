"""What is known of a resource type: fields and their value types, the calls that read it, and who it is.

These are plain values: derived in `derive`, read by `collect` (the calls), `normalize` (the value types), `store`
(the columns) and `serve` (the page). Paths into a provider's answer are tuples of provider member names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a value is stored. The page's word for it is `page_type`."""

    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    INT32 = "INT32"
    INT64 = "INT64"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    TIMESTAMP = "TIMESTAMP"
    STRUCT = "STRUCT"
    LIST = "LIST"
    MAP = "MAP"
    JSON = "JSON"
    """Kept as the provider's JSON text: maps of structures, recursive shapes, documents. `STRING` on the page."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """The type of one value, nested as deep as the model is."""

    kind: Kind
    fields: tuple[Field, ...] = ()
    """STRUCT only: its members, sorted by name."""
    element: ValueType | None = None
    """LIST: of what. MAP: the values' type; keys are always strings."""
    timestamp_format: str = ""
    """TIMESTAMP only: the wire form the model states: unixTimestamp, iso8601 or rfc822."""
    sensitive: bool = False
    """The model marks the shape as sensitive."""
    omitted: tuple[str, ...] = ()
    """STRUCT only: members, by provider name, that the rules leave out on purpose (blobs, the provider's own tags)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type, at any depth."""

    name: str
    """snake_case, by botocore's rule."""
    type: ValueType
    provider_name: str | None
    """The member's name in the provider's model; None where the catalog computes the field."""
    wire_name: str | None
    """The member's name on the wire (`locationName`), mostly equal to `provider_name`."""
    documentation: str = ""
    """The member's own documentation, in the provider's HTML, untouched; '' where there is none."""


Path = tuple[str, ...]
"""Provider member names from an answer's or item's root; () is the root itself."""


@dataclass(frozen=True, slots=True)
class Pagination:
    """How a list call goes on."""

    input_token: str
    output_token: Path
    limit_key: str | None
    """The request member that asks for a page size, where there is one."""
    page_size: int | None
    """The largest that the model allows."""
    origin: str = "paginator"
    """Where this comes from: paginator (botocore's own) or inferred."""
    further_tokens: tuple[tuple[str, Path], ...] = ()
    """Where one token is not enough (Route 53 record sets): more pairs like `input_token`, `output_token`."""


@dataclass(frozen=True, slots=True)
class ListCall:
    """The call that names every resource of the type in an account and region."""

    operation: str
    result_path: Path
    """To the list in the answer."""
    pagination: Pagination | None
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time (for example a stable order)."""
    iam_action: str = ""


@dataclass(frozen=True, slots=True)
class DescribeCall:
    """The call that returns one resource whole."""

    operation: str
    bindings: dict[str, Path]
    """Request member -> path in the list item; () binds the item itself (a bare string)."""
    result_path: Path
    """To the resource in the answer; () where the answer is the resource."""
    iam_action: str = ""


@dataclass(frozen=True, slots=True)
class TagsCall:
    """The service's own call for the tags of one resource."""

    operation: str
    bindings: dict[str, Path]
    """Request member -> path in the *list item or document* (whichever has it)."""
    result_path: Path
    pagination: Pagination | None = None
    key_member: str = "Key"
    value_member: str = "Value"
    """Names in the tag structure; both '' where the answer is a map."""
    iam_action: str = ""
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time (the kind of resource, where one call serves several kinds)."""


@dataclass(frozen=True, slots=True)
class InlineTags:
    """Tags that come inside the document."""

    path: Path
    """In the document."""
    key_member: str = "Key"
    value_member: str = "Value"
    """Names in the tag structure; both '' where the tags are a map."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two answers the same resource, and two resources different."""

    arn_path: Path | None
    """In the document; None where the ARN has to be computed."""
    key_paths: tuple[Path, ...]
    """In the document: what identifies it within account and region where it has no ARN; also what shows as name."""
    created_path: Path | None
    """In the document: creation time, part of the identity (a name may be used again)."""
    item_arn_path: Path | None
    """The same three, in the list item, where it has them."""
    item_key_paths: tuple[Path, ...] = ()
    item_created_path: Path | None = None


@dataclass(frozen=True, slots=True)
class LifeCycle:
    """Which states are final, and what moves when a resource changes."""

    state_path: Path | None
    """In the document."""
    item_state_path: Path | None
    """In the list item."""
    final_states: frozenset[str]
    item_modified_path: Path | None
    """A last-modified time in the list item: an unchanged one means an unchanged resource."""
    ended_path: Path | None
    """An end time in the document."""
    item_ended_path: Path | None


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type: everything that the rooms need to know, and nothing that a person wrote for it alone."""

    name: str
    """The one name: `aws_sagemaker_trainingjob`."""
    provider: str
    service: str
    """botocore's folder name (`sagemaker`)."""
    api_version: str
    model_version: str
    """Where the model comes from: `botocore 1.44.5`, or the folder given."""
    protocol: str
    """json, rest-json, query, ec2, rest-xml …"""
    noun: str
    """The provider's singular noun: `TrainingJob`."""
    fields: tuple[Field, ...]
    """The page's fields, in page order, `account_id`, `tags` and a computed ARN included."""
    list_call: ListCall
    describe_call: DescribeCall | None
    tags_call: TagsCall | None
    identity: Identity
    life_cycle: LifeCycle
    arn_service: str
    """The service part of its ARNs, which is also the IAM prefix."""
    inline_tags: InlineTags | None = None
    """Where the document itself holds the tags."""
    omitted: tuple[str, ...] = ()
    """Top-level members, by provider name, that the rules leave out on purpose (blobs, own tags, tokens, headers)."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Which rule decided each part: `describe_call` -> `same noun; binds TrainingJobName by same name`."""

    @property
    def iam_actions(self) -> tuple[str, ...]:
        """The permissions that reading this type whole needs."""
        calls = (self.list_call, self.describe_call, self.tags_call)
        return tuple(dict.fromkeys(call.iam_action for call in calls if call is not None and call.iam_action))

    def field(self, name: str) -> Field | None:
        """Return a top-level field by its snake_case name."""
        return next((f for f in self.fields if f.name == name), None)


def page_type(value: ValueType) -> str:
    """Return the reference page's word for a value type."""
    if value.kind is Kind.JSON:
        return "STRING"
    if value.kind is Kind.LIST and value.element is not None:
        return f"UNORDERED_LIST_{page_type(value.element)}"
    if value.kind is Kind.MAP and value.element is not None:
        return f"MAP_STRING_{page_type(value.element)}"
    return value.kind.value


def sql_type(value: ValueType) -> str:
    """Return the DuckDB type that holds a value: the DDL that `schema --format sql` prints and `store` creates."""
    match value.kind:
        case Kind.STRING | Kind.JSON:
            return "VARCHAR"
        case Kind.INT32:
            return "INTEGER"
        case Kind.INT64:
            return "BIGINT"
        case Kind.LIST:
            assert value.element is not None  # noqa: S101 - a list without an element type cannot be built
            return f"{sql_type(value.element)}[]"
        case Kind.MAP:
            assert value.element is not None  # noqa: S101 - likewise
            return f"MAP(VARCHAR, {sql_type(value.element)})"
        case Kind.STRUCT:
            if not value.fields:
                return "VARCHAR"  # nothing is known of it: kept as JSON text
            inner = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in value.fields)
            return f"STRUCT({inner})"
        case _:
            return value.kind.value
