"""Types that are read by several calls, against a provider that does as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from stocktake.collect.answers import Answer, Scope
from stocktake.collect.session import open_session
from stocktake.collect.type_reader import TypeReader
from stocktake.core.errors import GoneError, ScopeError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ResourceType

ACCOUNT = "123456789012"
KEY = load_type("aws_kms_key", open_models())
TABLE = load_type("aws_dynamodb_table", open_models())
Respond = Callable[[str, Any], Any]
Run = Callable[..., Any]
ID = "0d990263-018e-4e65-a703-eff731de951e"
ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{ID}"
DESCRIBED = {"KeyMetadata": {"KeyId": ID, "Arn": ARN, "Description": "numbers: 1.5 and 9007199254740993"}}


@pytest.fixture
def run(scripted: Any) -> Run:
    """Use a reader against scripted answers; return what came of it, the reader and the calls."""

    def start(respond: Respond, use: Callable[[TypeReader], Any], kind: ResourceType = KEY) -> Any:
        async def main() -> Any:
            async with scripted(respond) as provider, open_session(endpoint_url=provider.url) as session:
                reader = TypeReader(session, kind, Scope(ACCOUNT, "aws", "us-east-1", kind.name))
                found = await use(reader)
                return found, reader, Counter(operation for operation, _ in provider.calls)

        return asyncio.run(main())

    return start


def of(answers: dict[str, Any], reply: Any) -> Respond:
    """Answer each operation as told; a text is an error's code, and its message after a colon."""

    def respond(operation: str, _: Any) -> Any:
        told = answers[operation]
        if isinstance(told, str):
            code, _, message = told.partition(":")
            return reply({"__type": code, "message": message or f"{code} said"}, status=400)
        return reply(told)

    return respond


async def fetch(reader: TypeReader) -> Answer:
    return await reader.fetch_document({"KeyId": ID, "KeyArn": ARN})


WHOLE = {
    "describekey": DESCRIBED,
    "getkeypolicy": {"Policy": '{"Statement": []}', "PolicyName": "default"},
    "getkeyrotationstatus": {"KeyId": ARN, "KeyRotationEnabled": True, "RotationPeriodInDays": 90, "New": 1},
    "listaliases": {"Aliases": [{"AliasName": "alias/a"}], "Truncated": False},
}


def test_facets_stand_in_the_document_under_their_operations(run: Run, reply: Any) -> None:
    answer, reader, _ = run(of(WHOLE, reply), fetch)
    document = orjson.loads(answer.body)["KeyMetadata"]
    assert document == DESCRIBED["KeyMetadata"] | {
        "GetKeyPolicy": '{"Statement": []}',
        # What the model does not know stays; what only says which key was asked for does not.
        "GetKeyRotationStatus": {"KeyRotationEnabled": True, "RotationPeriodInDays": 90, "New": 1},
        "ListAliases": [{"AliasName": "alias/a"}],
    }
    assert orjson.loads(answer.facets.plain) == DESCRIBED
    assert answer.facets.unknown == ()
    assert reader.facets.problems == {}


def test_a_facet_of_many_pages_is_one_list(run: Run, reply: Any) -> None:
    def respond(operation: str, params: Any) -> Any:
        if operation != "listaliases":
            return reply(WHOLE[operation])
        number = int(params.get("Marker", 0))
        return reply(
            {"Aliases": [{"AliasName": f"alias/{number}"}], "Truncated": number < 2, "NextMarker": str(number + 1)}
            if number < 2
            else {"Aliases": [{"AliasName": "alias/2"}], "Truncated": False}
        )

    answer, _, calls = run(respond, fetch)
    found = orjson.loads(answer.body)["KeyMetadata"]["ListAliases"]
    assert [one["AliasName"] for one in found] == ["alias/0", "alias/1", "alias/2"]
    assert calls["listaliases"] == 3


@pytest.mark.parametrize("code", ["NotFoundException", "UnsupportedOperationException"])
def test_what_there_is_not_is_null_and_known(run: Run, reply: Any, code: str) -> None:
    answer, reader, _ = run(of(WHOLE | {"getkeyrotationstatus": code}, reply), fetch)
    assert orjson.loads(answer.body)["KeyMetadata"]["GetKeyRotationStatus"] is None
    assert (answer.facets.known["rotation_status"], answer.facets.unknown) == (b"null", ())
    assert reader.facets.problems == {}


def test_an_empty_answer_is_nothing(run: Run, reply: Any) -> None:
    answer, _, _ = run(of(WHOLE | {"getkeyrotationstatus": {"KeyId": ARN}, "getkeypolicy": {}}, reply), fetch)
    assert (answer.facets.known["rotation_status"], answer.facets.known["policy"]) == (b"null", b"null")


@pytest.mark.parametrize(
    ("code", "permission"),
    [("AccessDeniedException", "kms:GetKeyRotationStatus"), ("ValidationException", "")],
)
def test_what_cannot_be_read_is_not_in_the_document(run: Run, reply: Any, code: str, permission: str) -> None:
    answer, reader, _ = run(of(WHOLE | {"getkeyrotationstatus": code}, reply), fetch)
    assert "GetKeyRotationStatus" not in orjson.loads(answer.body)["KeyMetadata"]
    assert answer.facets.unknown == ("rotation_status",)
    [(name, problem)] = reader.facets.problems.items()
    assert name == "rotation_status"
    assert getattr(problem, "missing_permission", "") == permission


def test_a_resource_that_is_gone_meanwhile_is_gone(run: Run, reply: Any) -> None:
    def use(reader: TypeReader) -> Any:
        return fetch(reader)

    with pytest.raises(GoneError):
        run(of(WHOLE | {"getkeypolicy": "KeyNotFoundException"}, reply), use)


def many(count: int) -> Callable[[TypeReader], Any]:
    async def use(reader: TypeReader) -> list[Answer]:
        return [await fetch(reader) for _ in range(count)]

    return use


def test_a_denial_is_remembered(run: Run, reply: Any) -> None:
    told = (
        "AccessDeniedException:User: arn:aws:iam::1:user/a is not authorized because no identity-based policy allows it"
    )
    answers, _, calls = run(of(WHOLE | {"getkeypolicy": told}, reply), many(10))
    assert calls["getkeypolicy"] == 1
    assert {answer.facets.unknown for answer in answers} == {("policy",)}
    # It may be this key's own policy that denies: then a few are asked before the rest is given up.
    _, _, calls = run(of(WHOLE | {"getkeypolicy": "AccessDeniedException"}, reply), many(10))
    assert calls["getkeypolicy"] == 3


def test_a_denial_of_one_among_others_is_its_own(run: Run, reply: Any) -> None:
    asked = Counter[str]()

    def respond(operation: str, _: Any) -> Any:
        asked[operation] += 1
        if operation == "getkeypolicy" and 3 <= asked[operation] <= 7:
            return reply({"__type": "AccessDeniedException", "message": "explicit deny"}, status=400)
        return reply(WHOLE[operation])

    answers, _, calls = run(respond, many(10))
    assert calls["getkeypolicy"] == 10
    assert [answer.facets.unknown for answer in answers].count(("policy",)) == 5


def test_a_body_that_is_no_resource_goes_on_as_it_came(run: Run, reply: Any) -> None:
    answer, _, calls = run(of(WHOLE | {"describekey": {"KeyMetadata": None}}, reply), fetch)
    assert orjson.loads(answer.body) == {"KeyMetadata": None}
    assert set(answer.facets.unknown) == {"aliases", "policy", "rotation_status"}
    assert set(calls) == {"describekey"}


def test_an_input_that_only_the_document_has_is_taken_from_there(run: Run, reply: Any) -> None:
    seen: dict[str, Any] = {}

    def respond(operation: str, params: Any) -> Any:
        seen[operation] = params
        table = {"TableName": "orders", "TableArn": "arn:aws:dynamodb:us-east-1:1:table/orders"}
        return reply({"Table": table} if operation == "describetable" else {})

    kind = replace(TABLE, facets=tuple(one for one in TABLE.facets if one.name == "resource_policy"))
    run(respond, lambda reader: reader.fetch_document("orders"), kind)
    assert seen["getresourcepolicy"] == {"ResourceArn": "arn:aws:dynamodb:us-east-1:1:table/orders"}


def test_a_resource_that_cannot_be_read_asks_for_no_facets(run: Run, reply: Any) -> None:
    async def use(reader: TypeReader) -> Any:
        with pytest.raises(ScopeError):
            await fetch(reader)

    _, _, calls = run(of({"describekey": "AccessDeniedException"}, reply), use)
    assert set(calls) == {"describekey"}
