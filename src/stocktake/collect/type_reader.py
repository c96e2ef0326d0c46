"""Carries out a type's call plan within one scope: pages, documents, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from stocktake.collect.answers import NO_LISTING, Answer, CallCounts, ListPage
from stocktake.collect.arns import made_arn
from stocktake.collect.batches import BatchAnswer, BatchAnswers
from stocktake.collect.binding import Binder
from stocktake.collect.facets import FacetReader
from stocktake.collect.listings import iter_concurrently, iter_listings
from stocktake.collect.parents import GAPS
from stocktake.collect.paths import first_at, read_tags, value_at, values_at, without_kind, wrapped
from stocktake.collect.service_client import CallPurpose
from stocktake.core.errors import DataError, GoneError, ScopeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from stocktake.collect.answers import Scope
    from stocktake.collect.parents import Gap, ParentLists
    from stocktake.collect.service_client import ServiceClient
    from stocktake.collect.session import Session
    from stocktake.resource_types.spec import DescribeCall, Pagination, ResourceType, TagsCall

Item = dict[str, Any] | str
"""A list item: a structure in the provider's names, or the bare name of a resource."""
Listed = tuple[Item, "Mapping[str, object]"]
"""A list item and what its list was asked for."""

_TAGGING_SERVICE = "resourcegroupstaggingapi"
_TAGGING_PAGE = 100


class TypeReader:
    """Reads one type in one account and region."""

    def __init__(
        self,
        session: Session,
        resource_type: ResourceType,
        scope: Scope,
        *,
        counts: CallCounts | None = None,
        parents: ParentLists | None = None,
    ) -> None:
        self.type = resource_type
        self.scope = scope
        self.counts = counts if counts is not None else CallCounts()
        self.parents = parents
        self.gaps: list[Gap] = []
        """Why some of its lists (under one parent, with one value) could not be read."""
        self.refused: list[str] = []
        """Of lists that were refused as invalid, what the provider said; of many, the first few."""
        self.answered = 0
        """Lists that were read to their end."""
        self._session = session
        self._client = session.service_client(resource_type.service, scope.asked_region)
        self._binder = Binder(self._client, scope)
        self.facets = FacetReader(resource_type.noun, resource_type.facets, self._binder, self._iter_facet)
        """Reads what calls of their own answer, and knows which of them failed."""

    @property
    def batch_size(self) -> int:
        """How many resources are worth reading at once; 1 where each has its own calls."""
        calls = (self.type.describe_call, self.type.tags_call)
        return max((call.batch.chunk for call in calls if call is not None and call.batch is not None), default=1)

    def batch_key(self, listing: Mapping[str, object]) -> bytes:
        """Return what must be the same of resources that are read at once."""
        calls = (self.type.describe_call, self.type.tags_call)
        keys = {key for call in calls if call is not None for key in call.inherited.values()}
        return orjson.dumps([listing.get(key) for key in sorted(keys)])

    # -- the list --------------------------------------------------------------------------------------------------

    async def iter_pages(self, more_arguments: Mapping[str, object] = NO_LISTING) -> AsyncIterator[ListPage]:
        """Yield the pages of the type's list call, empty ones included, until the provider has no more.

        Under parents or with loops there are many lists: one that cannot be read is noted in `gaps`, one that is
        refused as invalid in `refused`, and the others go on.
        Raises: ScopeError where no page can be read, or a continuation comes twice; CredentialsError, UnreachableError.
        """
        record = self.parents.record(self.type.name) if self.parents is not None else None
        plan = self.type.list_call
        if plan.parent is None and not plan.loops:
            pages = self._iter_list(NO_LISTING, CallPurpose(iam_action=plan.iam_action), more_arguments)
        else:
            pages = iter_concurrently(self, iter_listings(self), self._iter_one_of_many)
        if record is None:
            async for page in pages:
                yield page
            return
        try:
            async for page in pages:
                record.add(page)
                yield page
        except GAPS as error:
            record.end(error)
            raise
        record.end(gaps=self.gaps)

    def _iter_one_of_many(self, listing: Mapping[str, object]) -> AsyncIterator[ListPage]:
        # Asked like for a single resource: then it is one list alone that an error concerns.
        return self._iter_list(listing, CallPurpose(iam_action=self.type.list_call.iam_action, single_resource=True))

    async def _iter_list(
        self, listing: Mapping[str, object], purpose: CallPurpose, more_arguments: Mapping[str, object] = NO_LISTING
    ) -> AsyncIterator[ListPage]:
        plan = self.type.list_call
        params = self._binder.constants(plan.operation, plan.arguments, plan.context) | dict(more_arguments)
        self._binder.add(params, plan.operation, listing)
        if plan.pagination is not None and plan.pagination.limit_key and plan.pagination.page_size:
            self._binder.add_limit(params, plan.operation, plan.pagination.limit_key, plan.pagination.page_size)
        number = 0
        async for answer, parsed, last in self._iter_answers(
            self._client, plan.operation, params, plan.pagination, purpose
        ):
            number += 1
            yield ListPage(
                items=values_at(parsed, plan.result_path),
                number=number,
                server_time=answer.server_time,
                last=last,
                listing=listing,
            )

    def iter_list(
        self, listing: Mapping[str, object] = NO_LISTING, more_arguments: Mapping[str, object] = NO_LISTING
    ) -> AsyncIterator[ListPage]:
        """Yield the pages of one list: of what is listed so, or less, by `more_arguments`.

        Raises: GoneError where what it is listed under, or by, does not exist; DataError where this one list is
        refused; ScopeError.
        """
        purpose = CallPurpose(iam_action=self.type.list_call.iam_action, single_resource=True)
        return self._iter_list(listing, purpose, more_arguments)

    def list_inputs(self) -> dict[str, str]:
        """Return the request members of the list call that take texts -> what each takes: `string` or `list`."""
        shape = self._client.input_shape(self.type.list_call.operation)
        found: dict[str, str] = {}
        for name, member in shape.members.items() if shape is not None else ():
            kind = member.type_name
            if kind == "string" or (kind == "list" and member.member.type_name == "string"):
                found[name] = kind
        return found

    def item_members(self) -> frozenset[str]:
        """Return the members that the model gives to a list item; none where it is no structure."""
        shape = self._client.output_shape(self.type.list_call.operation)
        for member in self.type.list_call.result_path:
            if shape is None or shape.type_name != "structure" or member not in shape.members:
                return frozenset()
            shape = shape.members[member]
        if shape is not None and shape.type_name == "list":
            shape = shape.member
        return frozenset(shape.members) if shape is not None and shape.type_name == "structure" else frozenset()

    # -- documents -------------------------------------------------------------------------------------------------

    async def fetch_document(self, item: Item, listing: Mapping[str, object] = NO_LISTING) -> Answer:
        """Return the whole resource that a list item names.

        Shape: as the describe call answered it, wrapper included (`describe_call.result_path` leads into it); for a
        type without describe call, the item. Facets are in it under the names of their operations.
        Raises: GoneError where it does not exist any more; DataError (BrokenAnswerError with what came) where only
        this one cannot be read; ScopeError where none can.
        """
        plan = self.type.describe_call
        if plan is None:
            bare = Answer(orjson.dumps(item), self._session.clock.now())
            return await self.facets.add_to(bare, (), item, listing)
        if plan.batch is not None:
            [found] = await self.fetch_documents([(item, listing)])
            if isinstance(found, Answer):
                return found
            raise found
        params = self._single_params(plan, item, listing)
        purpose = CallPurpose(iam_action=plan.iam_action, single_resource=True)
        answer = await self._client.call(plan.operation, params, purpose=purpose, counts=self.counts)
        return await self.facets.add_to(answer, plan.result_path, item, listing)

    async def fetch_documents(self, listed: Sequence[Listed]) -> list[Answer | GoneError | DataError]:
        """Return the whole resources that list items name, by a batch call; of each, why not, where it has none.

        Shape: each as the call would answer for it alone, the resource itself in the place of the list. All must have
        the same `batch_key`.
        Raises: ScopeError where none can be read.
        """
        plan = self.type.describe_call
        assert plan is not None  # noqa: S101 - asked only for types with a batch call
        found = await self._batch(plan, [_or_error(self._single_params, plan, *one) for one in listed])
        documents = [
            Answer(orjson.dumps(wrapped(one.element, plan.result_path)), one.server_time)
            if isinstance(one, BatchAnswer)
            else one
            for one in found
        ]
        if not self.type.facets:
            return documents
        return await self.facets.add_to_all(documents, plan.result_path, listed)

    # -- tags ------------------------------------------------------------------------------------------------------

    async def fetch_tags(
        self, item: Item, document: Answer | None = None, listing: Mapping[str, object] = NO_LISTING
    ) -> dict[str, str]:
        """Return the resource's tags by the service's own call; {} where the type has no such call."""
        plan = self.type.tags_call
        if plan is None:
            return {}
        params = self._tags_params(plan, item, document, listing)
        if plan.batch is not None:
            [found] = await self._batch(plan, [params])
            return self._batch_tags(plan, found)
        purpose = CallPurpose(iam_action=plan.iam_action, single_resource=True)
        tags: dict[str, str] = {}
        try:
            async for _, parsed, _ in self._iter_answers(
                self._client, plan.operation, params, plan.pagination, purpose
            ):
                found_tags = value_at(parsed, plan.result_path)
                tags |= read_tags(found_tags, plan.key_member, plan.value_member)
        except GoneError as error:
            if "Tag" in error.code:  # it is the tags that do not exist: some services say so instead of an empty list
                return {}
            raise
        return tags

    async def fetch_tags_of_many(self, asked: Sequence[tuple[Listed, Answer]]) -> list[dict[str, str] | DataError]:
        """Return the tags of many resources by a batch call; of each, why not, where they could not be read.

        Raises: ScopeError where none can be read.
        """
        plan = self.type.tags_call
        assert plan is not None  # noqa: S101 - asked only for types with a batch call
        params = [_or_error(self._tags_params, plan, item, document, listing) for (item, listing), document in asked]
        found = await self._batch(plan, params)
        return [one if isinstance(one, DataError) else self._batch_tags(plan, one) for one in found]

    async def fetch_tags_of(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return ARN -> tags of at most 100 resources, by one call to the tagging API.

        A resource that was never tagged is not named, and neither is one of a type that this API does not know: of what
        is missing here, only `fetch_tags` can tell.
        """
        client = self._session.service_client(_TAGGING_SERVICE, self.scope.asked_region)
        purpose = CallPurpose(iam_action="tag:GetResources")
        params = {"ResourceARNList": list(arns)}
        answer = await client.call("GetResources", params, purpose=purpose, counts=self.counts)
        return _tags_by_arn(self._parse("GetResources", answer))

    async def iter_bulk_tags(self, resource_type_filter: str) -> AsyncIterator[dict[str, dict[str, str]]]:
        """Yield ARN -> tags, a page at a time, for every resource of a type that has ever been tagged.

        Shape: `resource_type_filter` as the tagging API takes it, `sagemaker:training-job`.
        """
        client = self._session.service_client(_TAGGING_SERVICE, self.scope.asked_region)
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
            onward = self._onward(parsed, pagination)
            yield answer, parsed, not onward
            if not onward:
                return
            self._note_token(operation, onward, tokens)
            going_on = {**params, **onward}

    def _iter_facet(
        self, operation: str, params: dict[str, Any], pagination: Pagination | None, purpose: CallPurpose
    ) -> AsyncIterator[tuple[Answer, dict[str, Any], bool]]:
        return self._iter_answers(self._client, operation, params, pagination, purpose)

    def _onward(self, parsed: dict[str, Any], pagination: Pagination | None) -> dict[str, Any]:
        if pagination is not None and pagination.last_item_path is not None:
            items = values_at(parsed, self.type.list_call.result_path)
            more = value_at(parsed, pagination.output_token) and items
            return {pagination.input_token: value_at(items[-1], pagination.last_item_path)} if more else {}
        return next_tokens(parsed, pagination)

    def _note_token(self, operation: str, token: object, tokens: set[int]) -> None:
        mark = hash(str(token))
        if mark in tokens:
            raise ScopeError(
                f"{operation} gave the same continuation twice: a pagination loop.",
                code="pagination_loop",
                status="failed",
                hint="The scope keeps its last known state; the next sync tries again.",
                where=self.where,
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
                where=self.where,
            ) from error
        return parsed if isinstance(parsed, dict) else {}

    # -- binding ---------------------------------------------------------------------------------------------------

    def arn(self, item: Item, document: Answer | None, listing: Mapping[str, object]) -> str | None:
        """Return the ARN that is made of what is known of a resource; None where the type states it, or too little."""
        template = self.type.identity.arn_template
        if template is None:
            return None
        sources = (item,) if document is None else (self.resource(document), item)
        return made_arn(template, self.scope, sources, listing)

    def resource(self, document: Answer) -> object:
        """Return the resource in a describe call's answer, parsed; None where there is none."""
        path = self.type.describe_call.result_path if self.type.describe_call is not None else ()
        try:
            found = value_at(orjson.loads(document.body), path)
        except orjson.JSONDecodeError:
            return None
        return found[0] if isinstance(found, list) and found else found

    def _single_params(self, plan: DescribeCall, item: Item, listing: Mapping[str, object]) -> dict[str, Any]:
        values = {member: value_at(item, path) for member, path in plan.bindings.items()}
        return self._binder.params(plan, values, listing)

    def _tags_params(
        self, plan: TagsCall, item: Item, document: Answer | None, listing: Mapping[str, object]
    ) -> dict[str, Any]:
        values = {member: value_at(item, path) for member, path in plan.bindings.items()}
        if document is not None and None in values.values():
            resource = self.resource(document)
            values = {member: first_at((item, resource), path) for member, path in plan.bindings.items()}
        for kind in plan.arguments.values():  # the kind of resource is said beside its id
            values = {name: without_kind(value, kind) for name, value in values.items()}
        if plan.binds_arn:
            values[plan.binds_arn] = self.arn(item, document, listing)
        return self._binder.params(plan, values, listing)

    async def _batch(
        self, plan: DescribeCall | TagsCall, asked: Sequence[dict[str, Any] | DataError]
    ) -> list[BatchAnswer | GoneError | DataError]:
        """Call in chunks; what could not even be asked keeps its error."""
        assert plan.batch is not None  # noqa: S101 - asked only for batch calls
        answers = BatchAnswers(self._client, plan.operation, plan.batch, plan.result_path, plan.iam_action, self.counts)
        params = [one for one in asked if not isinstance(one, DataError)]
        found: list[BatchAnswer | GoneError | DataError] = []
        for start in range(0, len(params), plan.batch.chunk):
            found += await answers.fetch(params[start : start + plan.batch.chunk])
        answered = iter(found)
        return [one if isinstance(one, DataError) else next(answered) for one in asked]

    def _batch_tags(self, plan: TagsCall, found: BatchAnswer | GoneError | DataError) -> dict[str, str]:
        if isinstance(found, GoneError):
            return {}  # not named: it has none
        if isinstance(found, DataError):
            raise found
        return read_tags(found.element, plan.key_member, plan.value_member)

    @property
    def where(self) -> str:
        """Account, region and type."""
        scope = self.scope
        return f"{scope.account_id}/{scope.region}/{scope.type_name}"

    def sibling(self, resource_type: ResourceType) -> TypeReader:
        """Return a reader of another type in the same account and region, at the same cost account."""
        scope = type(self.scope)(
            self.scope.account_id, self.scope.partition, self.scope.asked_region, resource_type.name
        )
        return TypeReader(self._session, resource_type, scope, counts=self.counts, parents=self.parents)


def _or_error(bind: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any] | DataError:
    try:
        return bind(*arguments)
    except DataError as error:
        return error


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
