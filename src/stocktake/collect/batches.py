"""One call for many resources, and whose each part of its answer is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.collect.bodies import ProviderError
from stocktake.collect.paths import value_at, values_at
from stocktake.collect.service_client import CallPurpose
from stocktake.collect.translation import Meaning, meaning
from stocktake.core.errors import DataError, GoneError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from stocktake.collect.answers import CallCounts
    from stocktake.collect.service_client import ServiceClient
    from stocktake.resource_types.spec import Batch, Path

_FAILURES = re.compile(r"fail|error|unprocessed|not_?found|missing", re.IGNORECASE)
_NOT_THERE = re.compile(r"missing|not_?found|no_?such|not_?exist|does not exist", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What a batch call answered for one of those that it was made for."""

    element: object
    """What was asked for: the resource, or its tags."""
    server_time: datetime


class BatchAnswers:
    """Makes a batch call and sorts its answer out."""

    def __init__(
        self,
        client: ServiceClient,
        operation: str,
        batch: Batch,
        result_path: Path,
        iam_action: str,
        counts: CallCounts,
    ) -> None:
        self._client = client
        self._operation = operation
        self._batch = batch
        self._path = result_path
        self._purpose = CallPurpose(iam_action=iam_action, single_resource=True)
        self._counts = counts

    async def fetch(self, params: Sequence[dict[str, Any]]) -> list[BatchAnswer | GoneError | DataError]:
        """Return for each resource what the call answers, or why it does not; `params` are those of single calls.

        Raises: ScopeError where none can be read.
        """
        asked = [_value(one, self._batch.member) for one in params]
        together = _with_value(params[0], self._batch.member, [value for one in asked for value in one])
        try:
            answer = await self._client.call(self._operation, together, purpose=self._purpose, counts=self._counts)
        except (GoneError, DataError) as error:
            if len(params) == 1:
                return [error]
            # One of them spoils it for all: find out which.
            middle = len(params) // 2
            return await self.fetch(params[:middle]) + await self.fetch(params[middle:])
        parsed = orjson.loads(answer.body)
        elements = values_at(parsed, self._path)
        if self._batch.answer_key is None and len(elements) != len(params) and len(params) > 1:
            # Only the order says whose is whose, and it does not.
            return [found for one in params for found in await self.fetch([one])]
        return [self._sort_out(number, one, elements, parsed, answer.server_time) for number, one in enumerate(asked)]

    def _sort_out(
        self, number: int, asked: list[Any], elements: list[Any], parsed: object, server_time: datetime
    ) -> BatchAnswer | GoneError | DataError:
        if self._batch.answer_key is None:
            element = elements[number] if number < len(elements) else None
        else:
            element = self._element_of(asked[0] if asked else None, elements)
        if element is not None:
            return BatchAnswer(value_at(element, self._batch.value_path), server_time)
        said = " ".join(self._failure_of(asked, parsed))
        where = f"{self._client.region}/{self._client.service}:{self._operation}"
        if said and not _NOT_THERE.search(said) and meaning(ProviderError(400, said, said)) is not Meaning.GONE:
            return DataError(f"{self._operation} could not read this one: {said}", code="batch_failure", where=where)
        return GoneError("The resource does not exist any more.", code="not_in_batch", where=where)

    def _element_of(self, value: object, elements: list[Any]) -> Any:  # noqa: ANN401 - any JSON
        key = self._batch.answer_key or ()
        exact = next((one for one in elements if value_at(one, key) == value), None)
        if exact is not None or not isinstance(value, str):
            return exact
        # Asked for by its ARN, and answered by name with the ARN beside it, or the other way round.
        for one in elements:
            if isinstance(one, dict) and value in one.values():
                return one
        return next((one for one in elements if _same_resource(value, value_at(one, key))), None)

    def _failure_of(self, asked: list[Any], parsed: object) -> Iterator[str]:
        """Yield what the answer's lists of failures say of a resource."""
        if not isinstance(parsed, dict):
            return
        for name, found in parsed.items():
            if name == (self._path or ("",))[0] or not _FAILURES.search(name):
                continue
            for one in found if isinstance(found, list) else []:
                texts = list(_texts(one))
                if any(str(value) == text or _same_resource(str(value), text) for value in asked for text in texts):
                    yield from (name, *texts)


def _same_resource(one: str, other: object) -> bool:
    """Say whether one is the ARN of what the other names."""
    if not isinstance(other, str) or not one or not other:
        return False
    arn, name = (one, other) if one.startswith("arn:") else (other, one)
    return arn.startswith("arn:") and not name.startswith("arn:") and arn.endswith((f"/{name}", f":{name}"))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _value(params: dict[str, Any], dotted: str) -> list[Any]:
    found = value_at(params, tuple(dotted.split(".")))
    return found if isinstance(found, list) else [found]


def _with_value(params: dict[str, Any], dotted: str, value: object) -> dict[str, Any]:
    first, _, rest = dotted.partition(".")
    return params | {first: _with_value(params[first], rest, value) if rest else value}
