"""What boto3 says of a type's resources: the derived plan's calls, made by boto3 and read by its own parsers.

Nothing here goes through `collect`: parents are listed anew for every child, pages by boto3's paginators.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from model_values import expected
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import DescribeCall, ResourceType

Listed = tuple[Any, dict[str, Any]]
"""A list item, and what its list was asked for, by request member."""


class Boto3Answers:
    """Asks one endpoint for one account and region."""

    def __init__(self, url: str, config: Config, *, account_id: str, region: str) -> None:
        self._url = url
        self._config = config
        self._context = {"account_id": account_id, "region": region, "partition": "aws"}
        self._clients: dict[str, Any] = {}
        self._parents: dict[str, list[Listed]] = {}

    def of(self, kind: ResourceType) -> list[dict[str, Any]]:
        """Return each resource of a type once, as the catalog is to have it."""
        found: dict[str, dict[str, Any]] = {}
        for answer, listing in self._answers(kind):
            # Under two parents there may be two that are alike, or twice the same.
            parent = {key: listing.get(key) for key in kind.identity.inherited_keys}
            found[json.dumps([parent, answer], sort_keys=True, default=str)] = answer
        return list(found.values())

    def _answers(self, kind: ResourceType) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        client = self._client(kind.service)
        describe = kind.describe_call
        call = describe or kind.list_call
        shape = _shape_at(client.meta.service_model.operation_model(call.operation).output_shape, call.result_path)
        known = {field.name for field in kind.fields if field.provider_name is not None and field.name != "tags"}
        for item, listing in self._listed(kind):
            answer = item if describe is None else self._described(client, describe, item, listing)
            if answer is not None:
                yield {name: value for name, value in expected(shape, answer).items() if name in known}, listing

    def _described(self, client: Any, describe: DescribeCall, item: Any, listing: dict[str, Any]) -> Any:
        wanted: dict[str, Any] = dict(describe.arguments)
        wanted |= {member: self._context[name] for member, name in describe.context.items()}
        wanted |= {member: listing[key] for member, key in describe.inherited.items() if key in listing}
        wanted |= {member: _at(item, path) for member, path in describe.bindings.items()}
        params: dict[str, Any] = {}
        shape = client.meta.service_model.operation_model(describe.operation).input_shape
        for member, value in wanted.items():
            if value is not None:
                _put(params, shape, member.split("."), value)
        try:
            answer = _at(_call(client, describe.operation, params), describe.result_path)
        except ClientError as error:
            # Named by its list, and not there when asked for.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}:
                return None
            raise
        return (answer[0] if answer else None) if isinstance(answer, list) else answer

    def _listed(self, kind: ResourceType) -> Iterator[Listed]:
        call = kind.list_call
        client = self._client(kind.service)
        shape = client.meta.service_model.operation_model(call.operation).input_shape
        fixed: dict[str, Any] = dict(call.arguments)
        fixed |= {member: self._context[name] for member, name in call.context.items()}
        pages = call.pagination
        if pages is not None and pages.limit_key is not None and pages.limit_key in shape.required_members:
            fixed[pages.limit_key] = pages.page_size
        for listing in self._listings(kind):
            params: dict[str, Any] = dict(fixed)
            for member, value in listing.items():
                _put(params, shape, member.split("."), value)
            try:
                for page in self._pages(client, call.operation, params):
                    yield from ((item, listing) for item in _each(page, call.result_path))
            except ClientError:
                # With one value of many, or under one parent of many, there may be nothing to list.
                if not listing:
                    raise

    def _listings(self, kind: ResourceType) -> Iterator[dict[str, Any]]:
        loops = [[(member, value) for value in values] for member, values in kind.list_call.loops.items()]
        for above in self._above(kind):
            for chosen in itertools.product(*loops):
                yield above | dict(chosen)

    def _above(self, kind: ResourceType) -> Iterator[dict[str, Any]]:
        """Yield what each parent gives to the list call."""
        parent = kind.list_call.parent
        if parent is None:
            yield {}
            return
        if parent.type not in self._parents:
            self._parents[parent.type] = list(self._listed(load_type(parent.type, open_models())))
        for item, listing in self._parents[parent.type]:
            values = {member: _at(item, path) for member, path in parent.bindings.items()}
            describe = load_type(parent.type, open_models()).describe_call
            if None in values.values() and describe is not None:
                document = self._described(self._client(kind.service), describe, item, listing)
                values = {member: _at(item, path) or _at(document, path) for member, path in parent.bindings.items()}
            values |= {member: listing.get(key) for member, key in parent.inherited.items()}
            if None not in values.values():
                yield values

    def _pages(self, client: Any, operation: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if client.can_paginate(xform_name(operation)):
            yield from client.get_paginator(xform_name(operation)).paginate(**params)
        else:
            yield _call(client, operation, params)

    def _client(self, service: str) -> Any:
        # Types come service by service, and making a client costs more than asking it.
        if service not in self._clients:
            self._clients.clear()
            self._parents.clear()
            self._clients[service] = boto3.client(service, endpoint_url=self._url, config=self._config)
        return self._clients[service]


def _call(client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
    answer.pop("ResponseMetadata", None)
    return answer


def _put(params: dict[str, Any], shape: Any, path: list[str], value: Any) -> None:
    """Put a value at a member of a request, in a list where it takes one."""
    inner = shape.members[path[0]]
    if len(path) > 1:
        _put(params.setdefault(path[0], {}), inner, path[1:], value)
    else:
        params[path[0]] = [value] if inner.type_name == "list" and not isinstance(value, list) else value


def _each(value: Any, path: tuple[str, ...]) -> list[Any]:
    for depth, member in enumerate(path):
        if isinstance(value, list):
            return [found for one in value for found in _each(one, path[depth:])]
        value = (value or {}).get(member)
    return value if isinstance(value, list) else [] if value is None else [value]


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for member in path:
        value = value.get(member) if isinstance(value, dict) else None
    return value


def _shape_at(shape: Any, path: tuple[str, ...]) -> Any:
    for member in path:
        while shape.type_name == "list":
            shape = shape.member
        shape = shape.members[member]
    while shape.type_name == "list":
        shape = shape.member
    return shape
