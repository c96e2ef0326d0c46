"""Types under parents, with loops and batch calls, against a provider that does as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from stocktake.collect.answers import Answer, Scope
from stocktake.collect.parents import ParentLists, needed_members
from stocktake.collect.session import open_session
from stocktake.collect.type_reader import TypeReader
from stocktake.core.errors import DataError, GoneError, ScopeError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ArnTemplate, Pagination, ParentCall, ResourceType

ACCOUNT = "123456789012"
ECS = f"arn:aws:ecs:us-east-1:{ACCOUNT}"
CLUSTERS = [f"{ECS}:cluster/{name}" for name in ("a", "b", "c")]
TASK, SERVICE, CLUSTER = (load_type(f"aws_ecs_{noun}", open_models()) for noun in ("task", "service", "cluster"))
Respond = Callable[[str, Any], Any]
Run = Callable[..., Any]


@pytest.fixture
def run(scripted: Any) -> Run:
    """Use readers of some types that share their parents' lists, against scripted answers."""

    def start(respond: Respond, use: Callable[..., Any], *types: ResourceType) -> Any:
        async def main() -> Any:
            async with scripted(respond) as provider, open_session(endpoint_url=provider.url) as session:
                parents = ParentLists(lambda name: load_type(name, open_models()), members=needed_members(types))
                readers = [
                    TypeReader(session, one, Scope(ACCOUNT, "aws", "us-east-1", one.name), parents=parents)
                    for one in types
                ]
                found = await use(*readers)
                parents.close()
                return found, provider.calls

        return asyncio.run(main())

    return start


async def listed(*readers: TypeReader) -> list[tuple[str, dict[str, object]]]:
    async def one(reader: TypeReader) -> list[tuple[str, dict[str, object]]]:
        return [(str(item), dict(page.listing)) async for page in reader.iter_pages() for item in page.items]

    return [found for each in await asyncio.gather(*map(one, readers)) for found in each]


def answer_lists(reply: Any, refuse: dict[str, Any] | None = None) -> Respond:
    def respond(operation: str, params: Any) -> Any:
        if operation == "listclusters":
            first = "nextToken" not in params
            return reply({"clusterArns": CLUSTERS[:2], "nextToken": "1"} if first else {"clusterArns": CLUSTERS[2:]})
        refused = (refuse or {}).get(params.get("cluster", ""))
        if refused is not None:
            return reply({"__type": refused, "message": f"{refused} said"}, status=400)
        name = params["cluster"][-1] + params.get("desiredStatus", "")
        key = "taskArns" if operation == "listtasks" else "serviceArns"
        return reply({key: [f"{ECS}:{operation[4:-1]}/{name}"]})

    return respond


def test_children_of_two_types_under_every_parent_and_value_list_the_parents_once(run: Run, reply: Any) -> None:
    found, calls = run(answer_lists(reply), listed, TASK, SERVICE)
    counts = Counter(operation for operation, _ in calls)
    assert counts == {"listclusters": 2, "listtasks": 9, "listservices": 3}
    assert len({item for item, _ in found}) == 12
    for item, listing in found:
        assert str(listing["cluster"])[-1] == item.rsplit("/", 1)[1][0]


def test_a_denied_parent_is_a_gap_and_a_vanished_or_unfit_one_has_no_children(run: Run, reply: Any) -> None:
    async def use(reader: TypeReader) -> Any:
        return await listed(reader), reader.gaps, reader.refused

    refuse = {
        CLUSTERS[0]: "AccessDeniedException",
        CLUSTERS[1]: "ClusterNotFoundException",
    }
    (found, gaps, refused), _ = run(answer_lists(reply, refuse), use, SERVICE)
    assert [item[-1] for item, _ in found] == ["c"]
    assert [gap.status for gap in gaps] == ["denied"]
    assert gaps[0].missing_permission == "ecs:ListServices"
    (found, gaps, refused), _ = run(answer_lists(reply, {CLUSTERS[0]: "InvalidParameterException"}), use, SERVICE)
    assert [item[-1] for item, _ in sorted(found)] == ["b", "c"]
    assert not gaps
    assert "InvalidParameterException" in refused[0]


def test_children_of_parents_that_cannot_be_listed_say_why(run: Run, reply: Any) -> None:
    def respond(_operation: str, _params: Any) -> Any:
        return reply({"__type": "AccessDeniedException", "message": "no"}, status=400)

    with pytest.raises(ScopeError) as raised:
        run(respond, listed, SERVICE)
    assert (raised.value.status, raised.value.missing_permission) == ("denied", "ecs:ListClusters")
    assert "aws_ecs_cluster" in raised.value.message


def test_every_list_denied_is_a_denied_scope(run: Run, reply: Any) -> None:
    with pytest.raises(ScopeError) as raised:
        run(answer_lists(reply, dict.fromkeys(CLUSTERS, "AccessDeniedException")), listed, SERVICE)
    assert raised.value.status == "denied"


def test_a_batch_is_matched_chunked_and_tells_gone_from_failed(run: Run, reply: Any) -> None:
    asked = [f"{ECS}:service/{number}" for number in range(25)]
    gone, failed = asked[3], asked[17]

    def respond(operation: str, params: Any) -> Any:
        assert operation == "describeservices"
        assert params["cluster"] == "main"
        told = [one for one in reversed(params["services"]) if one not in {gone, failed}]
        services = [{"serviceName": one.rsplit("/", 1)[1], "serviceArn": one} for one in told]
        failures = [{"arn": one, "reason": "MISSING"} for one in params["services"] if one == gone]
        failures += [{"arn": one, "reason": "INTERNAL"} for one in params["services"] if one == failed]
        return reply({"services": services, "failures": failures})

    async def use(reader: TypeReader) -> Any:
        return await reader.fetch_documents([(one, {"cluster": "main"}) for one in asked])

    found, calls = run(respond, use, SERVICE)
    assert [len(params["services"]) for _, params in calls] == [10, 10, 5]
    for one, outcome in zip(asked, found, strict=True):
        if one == gone:
            assert isinstance(outcome, GoneError)
        elif one == failed:
            assert isinstance(outcome, DataError)
            assert "INTERNAL" in outcome.message
        else:
            assert isinstance(outcome, Answer)
            assert orjson.loads(outcome.body)["services"]["serviceArn"] == one


def test_one_that_spoils_a_batch_is_found_and_the_others_are_read(run: Run, reply: Any) -> None:
    def respond(_operation: str, params: Any) -> Any:
        if "bad" in params["services"]:
            return reply({"__type": "InvalidParameterException", "message": "bad"}, status=400)
        return reply({"services": [{"serviceName": one} for one in params["services"]]})

    async def use(reader: TypeReader) -> Any:
        return await reader.fetch_documents([(one, {"cluster": "main"}) for one in ("a", "b", "bad", "d")])

    found, calls = run(respond, use, SERVICE)
    assert [isinstance(one, DataError) for one in found] == [False, False, True, False]
    assert len(calls) == 5


def test_pages_go_on_by_the_last_item_and_the_parents_are_inherited(run: Run, reply: Any) -> None:
    pages = Pagination("nextToken", ("failures",), None, None, last_item_path=())
    by_last = replace(SERVICE, list_call=replace(SERVICE.list_call, parent=None, pagination=pages))
    answers = iter([{"serviceArns": ["a", "b"], "failures": True}, {"serviceArns": ["c"], "failures": False}])
    found, calls = run(lambda *_: reply(next(answers)), listed, by_last)
    assert [item for item, _ in found] == ["a", "b", "c"]
    assert [params.get("nextToken") for _, params in calls] == [None, "b"]


def test_a_grandchild_inherits_what_its_parent_was_listed_with(run: Run, reply: Any) -> None:
    listing = replace(
        TASK.list_call,
        loops={},
        parent=ParentCall("aws_ecs_service", {"serviceName": ()}, inherited={"cluster": "cluster"}),
    )
    found, calls = run(answer_lists(reply), listed, replace(TASK, list_call=listing))
    asked = sorted((params["cluster"][-1], params["serviceName"][-1]) for name, params in calls if name == "listtasks")
    assert asked == [("a", "a"), ("b", "b"), ("c", "c")]
    assert all(set(listing) == {"cluster", "serviceName"} for _, listing in found)


def test_an_arn_is_made_of_scope_document_item_and_listing(run: Run, reply: Any) -> None:
    text = "arn:{partition}:ecs:{region}:{account_id}:service/{cluster}/{name}"
    made = ArnTemplate(text, {"name": ("serviceName",)}, {"cluster": "cluster"})
    kind = replace(SERVICE, identity=replace(SERVICE.identity, arn_template=made))

    async def use(reader: TypeReader) -> Any:
        body = Answer(b'{"services": {"serviceName": "told"}}', reader._session.clock.now())
        return [
            reader.arn({"serviceName": "listed"}, None, {"cluster": "main"}),
            reader.arn({"serviceName": "listed"}, body, {"cluster": "main"}),
            reader.arn({}, None, {"cluster": "main"}),
            reader.arn({"serviceName": "listed"}, None, {}),
        ]

    found, _ = run(lambda *_: reply({}), use, kind)
    assert found == [f"{ECS}:service/main/listed", f"{ECS}:service/main/told", None, None]
