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
    last_item_path: Path | None = None
    """Where the answer holds no token, but the next page begins after the page's last item: the value at this path in
    that item is sent as `input_token`; () is the item itself. `output_token` then leads to the boolean that says
    whether there is more."""


@dataclass(frozen=True, slots=True)
class ParentCall:
    """Where a child type's list call takes its inputs from: it is made once for every resource of the parent.

    The parent's own resources are those that *its* list call names, grandparents first. For one of them, a request
    member in `bindings` gets the value at the path in the parent's list item (where that has none, in its document);
    one in `inherited` gets the value that the parent itself was listed with. What a resource was listed with (the
    members of `bindings`, `inherited` and `loops`, not tokens, `arguments` or `context`) is its *listing*, by request
    member of its list call: the calls for one resource, its identity and its children may refer to it.
    """

    type: str
    """The parent's type: `aws_ecs_cluster`."""
    bindings: dict[str, Path]
    """Request member -> path in the parent's list item or document; () is the item itself (a bare string)."""
    inherited: dict[str, str] = field(default_factory=dict)
    """Request member -> request member of the parent's list call (a key of the parent's listing)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How one call is made for many resources.

    `member` is a request member that takes a list (it is bound like any other; each resource gives one element).
    Resources go into one call only if everything else that it sends is the same for them (`inherited` values are not
    always). The answer's elements are matched to those who asked by `answer_key`; one that is missing does not exist
    any more, or is named among the answer's failures.
    """

    member: str
    chunk: int
    """The most that one call takes."""
    answer_key: Path | None
    """In an element of the answer: what equals the value that was sent; None where only the order says it."""
    value_path: Path = ()
    """In an element of the answer: what was asked for (the tags in an entry of resource and tags)."""


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """A request member that leaves out what is older: makes a list incremental."""

    member: str
    of: str
    """Which time it compares: modified, created or started."""


@dataclass(frozen=True, slots=True)
class ListCall:
    """The call that names every resource of the type in an account and region.

    It is made once for each combination of a parent resource (`parent`) and the values in `loops`; for a type without
    both, once. A combination that is refused as invalid has no resources; one that is denied is a gap of its own.
    """

    operation: str
    result_path: Path
    """To the list in the answer."""
    pagination: Pagination | None
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time (for example a stable order)."""
    iam_action: str = ""
    parent: ParentCall | None = None
    loops: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Request member -> every value that it may have: one list each; of several, every combination."""
    context: dict[str, str] = field(default_factory=dict)
    """Request member -> what of the scope itself is sent: `account_id`, `region` or `partition`."""
    time_filter: TimeFilter | None = None


@dataclass(frozen=True, slots=True)
class DescribeCall:
    """The call that returns one resource whole; with `batch`, many."""

    operation: str
    bindings: dict[str, Path]
    """Request member -> path in the list item; () binds the item itself (a bare string). A dotted member leads into a
    structure of the request: `SchemaId.SchemaArn`."""
    result_path: Path
    """To the resource in the answer; () where the answer is the resource. With `batch`: to the list of resources."""
    iam_action: str = ""
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time."""
    inherited: dict[str, str] = field(default_factory=dict)
    """Request member -> key of the resource's listing (see `ParentCall`): the same value is sent again."""
    context: dict[str, str] = field(default_factory=dict)
    """As in `ListCall`."""
    batch: Batch | None = None
    optional: tuple[str, ...] = ()
    """Members of `bindings` that are left out where the list item has no value: what a name is unique within."""


@dataclass(frozen=True, slots=True)
class TagsCall:
    """The service's own call for the tags of one resource."""

    operation: str
    bindings: dict[str, Path]
    """Request member -> path in the *list item or document* (whichever has it)."""
    result_path: Path
    """To the tags in the answer; with `batch`, to the list of entries."""
    pagination: Pagination | None = None
    key_member: str = "Key"
    value_member: str = "Value"
    """Names in the tag structure; both '' where the answer is a map."""
    iam_action: str = ""
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time (the kind of resource, where one call serves several kinds)."""
    inherited: dict[str, str] = field(default_factory=dict)
    """As in `DescribeCall`."""
    context: dict[str, str] = field(default_factory=dict)
    """As in `ListCall`."""
    batch: Batch | None = None
    binds_arn: str = ""
    """The request member that takes the resource's ARN where no field holds one: it is sent what
    `Identity.arn_template` gives."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A side of a resource that a call of its own answers: a bucket's encryption, a role's attached policies.

    Its answer becomes one field of the resource. Where the provider says that there is none, the field is null; where
    the call fails, it is unknown, and what is held of it stays.
    """

    name: str
    """The field's name, snake_case."""
    operation: str
    bindings: dict[str, Path]
    """Request member -> path in the *list item or document* (whichever has it)."""
    result_path: Path
    """To the side in the answer; () where the answer is it."""
    pagination: Pagination | None = None
    """Only where the side is a list."""
    iam_action: str = ""
    arguments: dict[str, object] = field(default_factory=dict)
    """Constants sent each time."""
    inherited: dict[str, str] = field(default_factory=dict)
    """As in `DescribeCall`."""
    context: dict[str, str] = field(default_factory=dict)
    """As in `ListCall`."""
    omitted: tuple[str, ...] = ()
    """Members of the answer that are no part of the side: what was asked with, the resource's own names, blobs."""
    absent_codes: tuple[str, ...] = ()
    """Errors that the operation states, and that say that this resource has no such side; beside what says so for any
    operation (not found, no such …)."""


@dataclass(frozen=True, slots=True)
class InlineTags:
    """Tags that come inside the document."""

    path: Path
    """In the document."""
    key_member: str = "Key"
    value_member: str = "Value"
    """Names in the tag structure; both '' where the tags are a map."""


@dataclass(frozen=True, slots=True)
class ArnTemplate:
    """How to make the ARN of a resource that does not state it.

    Every `{name}` of the text is replaced: `{partition}`, `{region}` and `{account_id}` by the scope's own, another
    by the value at `bindings[name]` in the document (where that has none, in the list item), or by the value of
    `inherited[name]` in the resource's listing (see `ParentCall`). Where a value is missing, there is no ARN.
    """

    text: str
    """`arn:{partition}:ecs:{region}:{account_id}:cluster/{ClusterName}`"""
    bindings: dict[str, Path]
    inherited: dict[str, str] = field(default_factory=dict)


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
    arn_template: ArnTemplate | None = None
    """Where neither document nor list item holds the ARN."""
    inherited_keys: tuple[str, ...] = ()
    """Keys of the resource's listing (see `ParentCall`) whose values identify it too, before `key_paths`: a child whose
    name is unique only within its parent."""


@dataclass(frozen=True, slots=True)
class MovingStatus:
    """A status beside the state, and its words for what is not over yet."""

    path: Path
    """In the document; through lists, where any element may hold it."""
    words: frozenset[str]


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
    moving: tuple[MovingStatus, ...] = ()
    """What may still move once the state is final."""


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
    tier: str = "B"
    """How good the evidence is that this is a resource. A: CloudFormation or the IAM service reference has the noun;
    B: an operation makes, starts or ends it; C: it has an identifier of its own; D: the rest (events, offers). Types of
    tier A and B are listed and synced by default; others only when they are named."""
    scope: str = "regional"
    """regional, or global: every region answers the same, so that one of them is asked."""
    cloudformation: str = ""
    """CloudFormation's name for it, where it has one: `AWS::SageMaker::Model`."""
    facets: tuple[Facet, ...] = ()
    """Sides of it that calls of their own answer, sorted by name. Their fields are the last ones."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what reading this type takes beyond plain calls; () for a type that any reader can read.

        `parent`, `loop`, `context` (account or region as an input), `last_item` (pages go on by it), `batch`, `nested`
        (an input inside a structure), `inherited` (a call takes what the list call was given), `arn` (a call takes an
        ARN that has to be made), `facets` (more calls for each resource).
        """
        listing, describe, tags = self.list_call, self.describe_call, self.tags_call
        single = [call for call in (describe, tags) if call is not None]
        marks = {
            "parent": listing.parent is not None,
            "loop": bool(listing.loops),
            "context": bool(listing.context) or any(call.context for call in single),
            "last_item": listing.pagination is not None and listing.pagination.last_item_path is not None,
            "batch": any(call.batch is not None for call in single),
            "nested": any("." in member for call in single for member in call.bindings),
            "inherited": any(call.inherited for call in single),
            "arn": tags is not None and bool(tags.binds_arn),
            "facets": bool(self.facets),
        }
        return tuple(mark for mark, needed in marks.items() if needed)

    @property
    def iam_actions(self) -> tuple[str, ...]:
        """The permissions that reading this type whole needs."""
        calls = (self.list_call, self.describe_call, self.tags_call, *self.facets)
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
