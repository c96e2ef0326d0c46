"""Carries out a type's call plan within one scope: pages, documents, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from stocktake.collect.answers import Answer, CallCounts, ListPage
from stocktake.collect.service_client import CallPurpose
from stocktake.core.errors import DataError, GoneError, ScopeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from stocktake.collect.answers import Scope
    from stocktake.collect.service_client import ServiceClient
    from stocktake.collect.session import Session
    from stocktake.resource_types.spec import Pagination, Path, ResourceType

Item = dict[str, Any] | str
"""A list item: a structure in the provider's names, or the bare name of a resource."""

_TAGGING_SERVICE = "resourcegroupstaggingapi"
_TAGGING_PAGE = 100


class TypeReader:
    """Reads one type in one account and region."""

    def __init__(
        self, session: Session, resource_type: ResourceType, scope: Scope, *, counts: CallCounts | None = None
    ) -> None:
        self.type = resource_type
        self.scope = scope
        self.counts = counts if counts is not None else CallCounts()
        self._session = session
        self._client = session.service_client(resource_type.service, scope.region)
        self._list_params: dict[str, bool] = {}

    async def iter_pages(self) -> AsyncIterator[ListPage]:
        """Yield the pages of the type's list call, empty ones included, until the provider has no more.

        Raises: ScopeError where a page cannot be read, or a continuation comes twice.
        """
        plan = self.type.list_call
        params = dict(plan.arguments)
        if plan.pagination is not None and plan.pagination.limit_key and plan.pagination.page_size:
            params.setdefault(plan.pagination.limit_key, plan.pagination.page_size)
        purpose = CallPurpose(iam_action=plan.iam_action)
        number = 0
        async for answer, parsed, last in self._iter_answers(
            self._client, plan.operation, params, plan.pagination, purpose
        ):
            number += 1
            yield ListPage(
                items=values_at(parsed, plan.result_path), number=number, server_time=answer.server_time, last=last
            )

    async def fetch_document(self, item: Item) -> Answer:
        """Return the whole resource that a list item names.

        Shape: as the describe call answered it, wrapper included (`describe_call.result_path` leads into it); for a
        type without describe call, the item.
        Raises: GoneError where it does not exist any more; DataError (BrokenAnswerError with what came) where only
        this one cannot be read; ScopeError where none can.
        """
        plan = self.type.describe_call
        if plan is None:
            return Answer(orjson.dumps(item), self._session.clock.now())
        params = self._bind(plan.operation, plan.bindings, item)
        purpose = CallPurpose(iam_action=plan.iam_action, single_resource=True)
        return await self._client.call(plan.operation, params, purpose=purpose, counts=self.counts)

    async def fetch_tags(self, item: Item, document: Answer | None = None) -> dict[str, str]:
        """Return the resource's tags by the service's own call; {} where the type has no such call."""
        plan = self.type.tags_call
        if plan is None:
            return {}
        resource = None
        if document is not None and any(value_at(item, path) is None for path in plan.bindings.values()):
            resource = self._resource(document)
        params = {**plan.arguments, **self._bind(plan.operation, plan.bindings, item, resource)}
        purpose = CallPurpose(iam_action=plan.iam_action, single_resource=True)
        tags: dict[str, str] = {}
        try:
            async for _, parsed, _ in self._iter_answers(
                self._client, plan.operation, params, plan.pagination, purpose
            ):
                found = value_at(parsed, plan.result_path)
                tags |= read_tags(found, plan.key_member, plan.value_member)
        except GoneError as error:
            if "Tag" in error.code:  # it is the tags that do not exist: some services say so instead of an empty list
                return {}
            raise
        return tags

    async def fetch_tags_of(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return ARN -> tags of at most 100 resources, by one call to the tagging API.

        A resource that was never tagged is not named, and neither is one of a type that this API does not know: of what
        is missing here, only `fetch_tags` can tell.
        """
        client = self._session.service_client(_TAGGING_SERVICE, self.scope.region)
        purpose = CallPurpose(iam_action="tag:GetResources")
        params = {"ResourceARNList": list(arns)}
        answer = await client.call("GetResources", params, purpose=purpose, counts=self.counts)
        return _tags_by_arn(self._parse("GetResources", answer))

    async def iter_bulk_tags(self, resource_type_filter: str) -> AsyncIterator[dict[str, dict[str, str]]]:
        """Yield ARN -> tags, a page at a time, for every resource of a type that has ever been tagged.

        Shape: `resource_type_filter` as the tagging API takes it, `sagemaker:training-job`.
        """
        client = self._session.service_client(_TAGGING_SERVICE, self.scope.region)
        params = {"ResourceTypeFilters": [resource_type_filter], "ResourcesPerPage": _TAGGING_PAGE}
        purpose = CallPurpose(iam_action="tag:GetResources")
        token, tokens = "", set[int]()
        while True:
            going_on = {**params, "PaginationToken": token} if token else params
            answer = await client.call("GetResources", going_on, purpose=purpose, counts=self.counts)
            parsed = self._parse("GetResources", answer)
            yield _tags_by_arn(parsed)
            token = parsed.get("PaginationToken") or ""
            if not token:
                return
            self._note_token("GetResources", token, tokens)

    # -- paging ----------------------------------------------------------------------------------------------------

    async def _iter_answers(
        self,
        client: ServiceClient,
        operation: str,
        params: dict[str, Any],
        pagination: Pagination | None,
        purpose: CallPurpose,
    ) -> AsyncIterator[tuple[Answer, dict[str, Any], bool]]:
        tokens = set[int]()
        going_on = params
        while True:
            answer = await client.call(operation, going_on, purpose=purpose, counts=self.counts)
            parsed = self._parse(operation, answer)
            onward = next_tokens(parsed, pagination)
            yield answer, parsed, not onward
            if not onward:
                return
            self._note_token(operation, onward, tokens)
            going_on = {**params, **onward}

    def _note_token(self, operation: str, token: object, tokens: set[int]) -> None:
        mark = hash(str(token))
        if mark in tokens:
            raise ScopeError(
                f"{operation} gave the same continuation twice: a pagination loop.",
                code="pagination_loop",
                status="failed",
                hint="The scope keeps its last known state; the next sync tries again.",
                where=self._where,
            )
        tokens.add(mark)

    def _parse(self, operation: str, answer: Answer) -> dict[str, Any]:
        try:
            parsed = orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise ScopeError(
                f"{operation} answered with a body that is not JSON: {error}",
                code="malformed_answer",
                status="failed",
                hint="The scope keeps its last known state; the next sync tries again.",
                where=self._where,
            ) from error
        return parsed if isinstance(parsed, dict) else {}

    # -- binding ---------------------------------------------------------------------------------------------------

    def _bind(
        self, operation: str, bindings: Mapping[str, Path], item: Item, resource: object = None
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for member, path in bindings.items():
            value = value_at(item, path)
            if value is None and resource is not None:
                value = value_at(resource, path)
            if value is None:
                raise DataError(
                    f"{operation} needs {member}, which the item does not have at {'.'.join(path) or 'its root'}.",
                    code="unbound_parameter",
                    where=self._where,
                )
            params[member] = [value] if self._takes_list(operation, member) and not isinstance(value, list) else value
        return params

    def _takes_list(self, operation: str, member: str) -> bool:
        key = f"{operation}.{member}"
        known = self._list_params.get(key)
        if known is None:
            shape = self._client.input_shape(operation)
            members = shape.members if shape is not None else {}
            known = self._list_params[key] = member in members and members[member].type_name == "list"
        return known

    def _resource(self, document: Answer) -> object:
        path = self.type.describe_call.result_path if self.type.describe_call is not None else ()
        try:
            found = value_at(orjson.loads(document.body), path)
        except orjson.JSONDecodeError:
            return None
        return found[0] if isinstance(found, list) and found else found

    @property
    def _where(self) -> str:
        scope = self.scope
        return f"{scope.account_id}/{scope.region}/{scope.type_name}"


def next_tokens(answer: object, pagination: Pagination | None) -> dict[str, Any]:
    """Return the request members that ask for the next page; {} where there is none."""
    if pagination is None:
        return {}
    token = value_at(answer, pagination.output_token)
    if not token:
        return {}
    further = {member: value_at(answer, path) for member, path in pagination.further_tokens}
    return {pagination.input_token: token} | {member: value for member, value in further.items() if value}


def _tags_by_arn(parsed: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        found["ResourceARN"]: read_tags(found.get("Tags"), "Key", "Value")
        for found in parsed.get("ResourceTagMappingList") or []
    }


def value_at(value: object, path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return what lies at a path of member names; None where nothing does."""
    for member in path:
        if not isinstance(value, dict):
            return None
        value = value.get(member)
    return value


def values_at(value: object, path: Path) -> list[Any]:
    """Return the elements at a path, through the lists on the way; [] where there are none."""
    for depth, member in enumerate(path):
        if isinstance(value, list):
            return [found for element in value for found in values_at(element, path[depth:])]
        if not isinstance(value, dict):
            return []
        value = value.get(member)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def read_tags(found: object, key_member: str, value_member: str) -> dict[str, str]:
    """Return tags as a plain mapping, from a list of structures or from a map."""
    if isinstance(found, dict):
        return {str(key): "" if value is None else str(value) for key, value in found.items()}
    if not isinstance(found, list):
        return {}
    return {
        str(tag[key_member]): str(tag.get(value_member) or "")
        for tag in found
        if isinstance(tag, dict) and tag.get(key_member) is not None
    }
