from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import orjson
import pytest

from stocktake.collect.answers import Answer, Scope
from stocktake.collect.paths import read_tags, value_at, values_at
from stocktake.collect.session import open_session
from stocktake.collect.type_reader import TypeReader
from stocktake.core.errors import DataError, GoneError, ScopeError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.resource_types.spec import ResourceType

MODELS = open_models()
ACCOUNT = "123456789012"


def plan(name: str) -> ResourceType:
    return load_type(name, MODELS)


TRAINING_JOB = plan("aws_sagemaker_trainingjob")
TABLE = plan("aws_dynamodb_table")


def scope(resource_type: ResourceType) -> Scope:
    return Scope(ACCOUNT, "aws", "us-east-1", resource_type.name)


async def read_all(reader: TypeReader) -> list[tuple[Any, Any, dict[str, str]]]:
    found = []
    async for page in reader.iter_pages():
        for item in page.items:
            document = await reader.fetch_document(item)
            found.append((item, orjson.loads(document.body), await reader.fetch_tags(item, document)))
    return found


def read_from_moto(moto_url: str, resource_type: ResourceType) -> list[tuple[Any, Any, dict[str, str]]]:
    async def main() -> list[tuple[Any, Any, dict[str, str]]]:
        async with open_session(endpoint_url=moto_url) as session:
            await session.fetch_caller_identity()
            return await read_all(TypeReader(session, resource_type, scope(resource_type)))

    return asyncio.run(main())


def test_training_jobs_of_moto(moto_url: str) -> None:
    client = boto3.client("sagemaker", endpoint_url=moto_url)
    names = [f"job-{number:03}" for number in range(120)]
    for name in names:
        client.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/i:1",
                "TrainingInputMode": "File",
            },
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
            OutputDataConfig={"S3OutputPath": "s3://b/o"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            HyperParameters={"lr": "0.1"},
            Tags=[{"Key": "team", "Value": name[-1]}],
        )
    found = {
        item["TrainingJobName"]: (document, tags) for item, document, tags in read_from_moto(moto_url, TRAINING_JOB)
    }
    assert sorted(found) == names
    for name in names[:5]:
        document, tags = found[name]
        expected = client.describe_training_job(TrainingJobName=name)
        expected.pop("ResponseMetadata")
        assert document.keys() == expected.keys()
        assert document["HyperParameters"] == expected["HyperParameters"]
        assert document["CreationTime"] == pytest.approx(expected["CreationTime"].timestamp(), abs=1e-3)
        assert tags == {"team": name[-1]}


def test_tables_of_moto_whose_list_items_are_bare_names(moto_url: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=moto_url)
    client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    ((item, document, tags),) = read_from_moto(moto_url, TABLE)
    assert item == "orders"
    assert document["Table"]["TableArn"].endswith(":table/orders")
    assert tags == {"a": "b"}


def test_roles_of_moto_over_xml(moto_url: str) -> None:
    client = boto3.client("iam", endpoint_url=moto_url)
    client.create_role(RoleName="reader", AssumeRolePolicyDocument="{}", Tags=[{"Key": "a", "Value": "b"}])
    found = read_from_moto(moto_url, plan("aws_iam_role"))
    (item,) = [item for item, _, _ in found if item["RoleName"] == "reader"]
    assert item["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/reader"


# -- against a provider that does as told ------------------------------------------------------------------------------


@pytest.fixture
def reading(scripted: Any) -> Callable[..., Any]:
    """Run something on a reader of a type, against scripted answers; return what came out and the reader's counts."""

    def run(
        respond: Callable[[str, Any], Any], use: Callable[[TypeReader], Any], what: ResourceType = TRAINING_JOB
    ) -> Any:
        async def main() -> Any:
            async with scripted(respond) as provider, open_session(endpoint_url=provider.url) as session:
                reader = TypeReader(session, what, scope(what))
                return await use(reader), reader.counts, provider.calls

        return asyncio.run(main())

    return run


async def pages(reader: TypeReader) -> list[Any]:
    return [page async for page in reader.iter_pages()]


def summary(name: str) -> dict[str, str]:
    return {"TrainingJobName": name, "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/{name}"}


def test_empty_pages_go_on_until_there_is_no_token(reading: Any, reply: Any) -> None:
    answers = iter(
        [
            {"TrainingJobSummaries": [summary("a")], "NextToken": "1"},
            {"TrainingJobSummaries": [], "NextToken": "2"},
            {"NextToken": "3"},
            {"TrainingJobSummaries": [summary("b")]},
        ]
    )
    found, counts, calls = reading(lambda *_: reply(next(answers)), pages)
    assert [len(page.items) for page in found] == [1, 0, 0, 1]
    assert [(page.number, page.last) for page in found] == [(1, False), (2, False), (3, False), (4, True)]
    assert [params.get("NextToken") for _, params in calls] == [None, "1", "2", "3"]
    assert all(params["MaxResults"] == 100 for _, params in calls)
    assert counts.calls == {"ListTrainingJobs": 4}


def test_a_token_that_comes_back_is_a_loop(reading: Any, reply: Any) -> None:
    answers = iter([{"NextToken": "1"}, {"NextToken": "2"}, {"NextToken": "1"}])
    with pytest.raises(ScopeError) as caught:
        reading(lambda *_: reply(next(answers)), pages)
    assert (caught.value.status, caught.value.code) == ("failed", "pagination_loop")
    assert caught.value.where == f"{ACCOUNT}/us-east-1/aws_sagemaker_trainingjob"


def test_a_denied_list_names_its_permission(reading: Any, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        reading(lambda *_: reply({"__type": "AccessDeniedException"}, status=400), pages)
    assert (caught.value.status, caught.value.missing_permission) == ("denied", "sagemaker:ListTrainingJobs")


def test_deleted_between_list_and_describe(reading: Any, reply: Any) -> None:
    gone = reply({"__type": "ValidationException", "message": "Requested resource not found."}, status=400)
    with pytest.raises(GoneError):
        reading(lambda *_: gone, lambda reader: reader.fetch_document(summary("a")))


def test_an_item_that_does_not_name_the_resource(reading: Any, reply: Any) -> None:
    with pytest.raises(DataError) as caught:
        reading(lambda *_: reply({}), lambda reader: reader.fetch_document({"Other": 1}))
    assert caught.value.code == "unbound_parameter"


def test_tags_come_in_pages_and_may_be_bound_by_the_document(reading: Any, reply: Any) -> None:
    answers = iter(
        [
            {"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "t"},
            {"Tags": [{"Key": "b", "Value": ""}, {"Key": "c"}]},
        ]
    )

    async def use(reader: TypeReader) -> dict[str, str]:
        document = Answer(orjson.dumps(summary("a")), reader._session.clock.now())
        return await reader.fetch_tags({"TrainingJobName": "a"}, document)

    tags, _, calls = reading(lambda *_: reply(next(answers)), use)
    assert tags == {"a": "1", "b": "", "c": ""}
    assert [params["ResourceArn"] for _, params in calls] == [summary("a")["TrainingJobArn"]] * 2


def test_bulk_tags_come_in_pages(reading: Any, reply: Any) -> None:
    answers = iter(
        [
            {
                "ResourceTagMappingList": [{"ResourceARN": "x", "Tags": [{"Key": "k", "Value": "v"}]}],
                "PaginationToken": "p",
            },
            {"ResourceTagMappingList": [{"ResourceARN": "y", "Tags": []}], "PaginationToken": ""},
        ]
    )

    async def use(reader: TypeReader) -> list[dict[str, dict[str, str]]]:
        return [page async for page in reader.iter_bulk_tags("sagemaker:training-job")]

    found, counts, calls = reading(lambda *_: reply(next(answers)), use)
    assert found == [{"x": {"k": "v"}}, {"y": {}}]
    assert counts.calls == {"GetResources": 2}
    assert calls[0][1] == {"ResourceTypeFilters": ["sagemaker:training-job"], "ResourcesPerPage": 100}
    assert calls[1][1]["PaginationToken"] == "p"


def test_a_type_without_describe_call_has_its_item_as_document(reading: Any, reply: Any) -> None:
    item = {"TrainingJobName": "a", "CreationTime": 1.5}
    bare = replace(TRAINING_JOB, describe_call=None, tags_call=None)

    async def use(reader: TypeReader) -> Any:
        return await reader.fetch_document(item), await reader.fetch_tags(item)

    (document, tags), counts, _ = reading(lambda *_: reply({}), use, bare)
    assert orjson.loads(document.body) == item
    assert (tags, counts.total) == ({}, 0)


def test_paths() -> None:
    answer = {"Reservations": [{"Instances": [{"I": 1}, {"I": 2}]}, {"Instances": None}, {"Instances": [{"I": 3}]}]}
    assert values_at(answer, ("Reservations", "Instances")) == [{"I": 1}, {"I": 2}, {"I": 3}]
    assert values_at(answer, ("Absent", "Instances")) == []
    assert values_at({"One": {"a": 1}}, ("One",)) == [{"a": 1}]
    assert value_at({"a": {"b": 1}}, ("a", "b")) == 1
    assert value_at({"a": "text"}, ("a", "b")) is None
    assert value_at("bare", ()) == "bare"


def test_tags_of_either_form() -> None:
    assert read_tags({"a": "b", "c": None}, "", "") == {"a": "b", "c": ""}
    assert read_tags([{"TagKey": "a", "TagValue": "b"}, "junk", {"TagValue": "c"}], "TagKey", "TagValue") == {"a": "b"}
    assert read_tags(None, "Key", "Value") == {}
