from __future__ import annotations

import asyncio
import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from stocktake.collect.answers import BrokenAnswerError, CallCounts
from stocktake.collect.retrying import RetryBudget, RetryPolicy
from stocktake.collect.service_client import CallPurpose
from stocktake.collect.session import CollectSettings, open_session
from stocktake.core.errors import CredentialsError, DataError, GoneError, ScopeError, UnreachableError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT_ONCE = CollectSettings(
    retry_policy=RetryPolicy(attempts=4, first_wait_seconds=0.0, longest_wait_seconds=0.0),
    throttle_patience_seconds=0.5,
    connect_timeout_seconds=0.2,
    read_timeout_seconds=0.2,
)
ONE = CallPurpose(iam_action="sagemaker:DescribeTrainingJob", single_resource=True)
MANY = CallPurpose(iam_action="sagemaker:ListTrainingJobs")


def error(code: str, message: str = "") -> dict[str, str]:
    return {"__type": code, "message": message}


class Tried:
    """Runs one call against a scripted provider, and keeps what there is to look at."""

    def __init__(self, scripted: Any) -> None:
        self.scripted = scripted
        self.counts = CallCounts()

    def __call__(
        self,
        respond: Callable[[str, Any], Any],
        purpose: CallPurpose = ONE,
        operation: str = "DescribeTrainingJob",
        before: Callable[[Any], None] | None = None,
    ) -> Any:
        async def main() -> Any:
            async with (
                self.scripted(respond) as provider,
                open_session(endpoint_url=provider.url, settings=AT_ONCE) as session,
            ):
                self.provider, self.session = provider, session
                if before is not None:
                    before(session)
                params = {"TrainingJobName": "a"} if operation == "DescribeTrainingJob" else {}
                client = session.service_client("sagemaker")
                return await client.call(operation, params, purpose=purpose, counts=self.counts)

        return asyncio.run(main())


@pytest.fixture
def tried(scripted: Any) -> Tried:
    return Tried(scripted)


def test_an_answer_comes_back_as_the_bytes_it_was(tried: Tried, reply: Any) -> None:
    body = b'{"TrainingJobName" : "a",\n "Unknown": [1.50, 1e3] }\n'
    answer = tried(lambda *_: reply(body, headers={"Date": "Tue, 24 Nov 2026 08:09:07 GMT"}))
    assert answer.body == body
    assert answer.server_time.isoformat() == "2026-11-24T08:09:07+00:00"
    assert tried.counts.calls == {"DescribeTrainingJob": 1}
    assert "\r\nUser-Agent: stocktake/" in tried.provider.heads[0]


def in_turn(*replies: Any) -> Callable[[str, Any], Any]:
    waiting = list(replies)
    return lambda *_: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.mark.parametrize("fault", ["500", "502", "html", "cut", "malformed", "empty-5xx"])
def test_a_passing_fault_is_tried_again(tried: Tried, reply: Any, fault: str) -> None:
    faults = {
        "500": reply(error("InternalFailure"), status=500),
        "502": reply(b"<html>Bad Gateway</html>", status=502),
        "html": reply(b"<html>welcome to this network</html>"),
        "cut": reply(b'{"TrainingJobName": ', cut=True),
        "malformed": reply(b'{"TrainingJobName": '),
        "empty-5xx": reply(b"", status=503),
    }
    answer = tried(in_turn(faults[fault], faults[fault], reply({"TrainingJobName": "a"})))
    assert answer.body == b'{"TrainingJobName": "a"}'
    assert (tried.counts.total, tried.counts.retries, tried.counts.errors) == (3, 2, 0)


@pytest.mark.parametrize("cut", [True, False])
def test_a_body_that_stays_broken_concerns_its_resource_alone(tried: Tried, reply: Any, cut: bool) -> None:
    with pytest.raises(BrokenAnswerError) as caught:
        tried(lambda *_: reply(b'{"TrainingJobName": ', cut=cut))
    assert caught.value.body == b'{"TrainingJobName": '
    assert isinstance(caught.value, DataError)
    assert (tried.counts.total, tried.counts.errors) == (4, 1)


@pytest.mark.parametrize("cut", [True, False])
def test_a_broken_list_page_fails_the_scope(tried: Tried, reply: Any, cut: bool) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply(b'{"TrainingJobSummaries": ', cut=cut), MANY, "ListTrainingJobs")
    assert caught.value.status == "failed"


def test_a_fault_that_stays_fails_the_scope(tried: Tried, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply(error("InternalFailure", "oh"), status=500))
    assert caught.value.status == "failed"
    assert "4 times" in caught.value.message
    assert tried.counts.total == 4


def test_a_server_that_hangs_is_asked_once_more(tried: Tried, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply({}, delay_seconds=5.0))
    assert (caught.value.status, caught.value.code) == ("failed", "timeout")
    assert tried.counts.total == 2


def test_a_denied_call_names_the_permission_and_is_not_repeated(tried: Tried, reply: Any) -> None:
    message = "User: arn:aws:iam::1:user/a is not authorized to perform: sagemaker:DescribeTrainingJob on resource: x"
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply(error("AccessDeniedException", message), status=400))
    assert (caught.value.status, caught.value.missing_permission) == ("denied", "sagemaker:DescribeTrainingJob")
    assert "arn:aws:iam::1:user/a" in caught.value.hint
    assert caught.value.where == "-/us-east-1/sagemaker:DescribeTrainingJob"
    assert tried.counts.total == 1


def test_a_denial_that_names_nothing_falls_back_on_the_plan(tried: Tried, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply(error("AccessDenied"), status=403), MANY, "ListTrainingJobs")
    assert caught.value.missing_permission == "sagemaker:ListTrainingJobs"


def test_not_found_is_gone_for_one_resource_and_a_failure_for_a_list(tried: Tried, reply: Any) -> None:
    missing = reply(error("ValidationException", "Requested resource not found."), status=400)
    with pytest.raises(GoneError):
        tried(lambda *_: missing)
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: missing, MANY, "ListTrainingJobs")
    assert caught.value.status == "failed"


def test_a_refusal_concerns_one_resource(tried: Tried, reply: Any) -> None:
    with pytest.raises(DataError) as caught:
        tried(lambda *_: reply(error("ValidationException", "1 validation error detected"), status=400))
    assert caught.value.code == "request_rejected"


def test_bad_parameters_never_leave_the_house(tried: Tried, reply: Any) -> None:
    with pytest.raises(DataError) as caught:
        tried(lambda *_: reply({}), ONE, "DescribeProcessingJob")
    assert caught.value.code == "bad_parameters"
    assert tried.provider.calls == []


def test_an_operation_the_region_does_not_know_is_unsupported(tried: Tried, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(lambda *_: reply(error("UnknownOperationException"), status=400), MANY, "ListTrainingJobs")
    assert caught.value.status == "unsupported"


# -- throttling --------------------------------------------------------------------------------------------------------


def test_throttled_calls_wait_and_pass(tried: Tried, reply: Any) -> None:
    slow = reply(error("ThrottlingException", "Rate exceeded"), status=400)
    answer = tried(in_turn(slow, slow, reply({"TrainingJobName": "a"})))
    assert answer.body == b'{"TrainingJobName": "a"}'
    assert (tried.counts.throttles, tried.counts.retries, tried.counts.total) == (2, 0, 3)


def test_throttled_without_end_gives_the_scope_up(scripted: Any, reply: Any) -> None:
    async def main() -> None:
        slow = reply(error("ThrottlingException", "Rate exceeded"), status=400)
        async with (
            scripted(lambda *_: slow) as provider,
            open_session(endpoint_url=provider.url, settings=AT_ONCE) as session,
        ):
            client = session.service_client("sagemaker")
            calls = [client.call("ListTrainingJobs", {}, purpose=MANY) for _ in range(12)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert {getattr(result, "status", "") for result in results} == {"throttled"}

    asyncio.run(main())


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "ours"),
    [("ExpiredTokenException", "expired_credentials"), ("UnrecognizedClientException", "refused_credentials")],
)
def test_refused_credentials_are_an_error_with_what_to_do(tried: Tried, reply: Any, code: str, ours: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        tried(lambda *_: reply(error(code, "The security token is no good"), status=400))
    assert caught.value.code == ours
    assert "aws sso login" in caught.value.hint
    assert tried.counts.total == 1


def test_credentials_renewed_meanwhile_are_used(tried: Tried, reply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(_operation: str, _params: Any) -> Any:
        if len(tried.provider.calls) == 1:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDRENEWED")
            return reply(error("ExpiredTokenException", "expired"), status=400)
        return reply({"TrainingJobName": "a"})

    tried(respond)
    assert [re.findall(r"Credential=(\w+)/", head)[0] for head in tried.provider.heads] == [
        "AKIDEXAMPLE",
        "AKIDRENEWED",
    ]


def test_keys_refused_in_one_region_only_mean_that_the_region_is_closed(tried: Tried, reply: Any) -> None:
    with pytest.raises(ScopeError) as caught:
        tried(
            lambda *_: reply(error("UnrecognizedClientException", "invalid"), status=400),
            before=lambda session: session.proven_regions.add("eu-west-1"),
        )
    assert (caught.value.status, caught.value.code) == ("unsupported", "region_not_enabled")


def test_a_wrong_clock_is_corrected_once(tried: Tried, reply: Any) -> None:
    two_days = 2 * 86_400
    date = formatdate(time.time() + two_days, usegmt=True)
    skewed = reply(error("InvalidSignatureException", "Signature expired"), status=400, headers={"Date": date})
    tried(in_turn(skewed, reply({})))
    first, second = [re.findall(r"X-Amz-Date: (\d{8})T", head)[0] for head in tried.provider.heads]
    assert first < second
    assert abs(tried.session.clock.offset_seconds - two_days) < 5
    with pytest.raises(CredentialsError) as caught:
        tried(lambda *_: reply(error("RequestTimeTooSkewed"), status=403))
    assert caught.value.code == "clock_skew"


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError) as caught:
        open_session(region="us-east-1")
    assert caught.value.code == "no_credentials"
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_not_there(unused_url: str) -> None:
    async def main() -> None:
        async with open_session(endpoint_url=unused_url, settings=AT_ONCE) as session:
            await session.fetch_caller_identity()

    with pytest.raises(UnreachableError) as caught:
        asyncio.run(main())
    assert caught.value.where == unused_url


def test_a_region_without_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with open_session(settings=AT_ONCE) as session:
            session.proven_regions.add("us-east-1")
            client = session.service_client("sagemaker", "us-nowhere-1")
            await client.call("ListTrainingJobs", {}, purpose=MANY)

    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "https://api.sagemaker.us-nowhere-1.invalid")
    with pytest.raises(ScopeError) as caught:
        asyncio.run(main())
    assert (caught.value.status, caught.value.code) == ("unsupported", "no_endpoint")


def test_unknown_service_profile_region_and_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aws-config").write_text(
        "[profile work]\nregion=eu-west-1\naws_access_key_id=A\naws_secret_access_key=B\n[profile home]\n"
    )
    with pytest.raises(UserError, match="wrok") as caught:
        open_session("wrok")
    assert (caught.value.code, caught.value.hint) == ("unknown_profile", "Did you mean work?")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert open_session("work").region == "eu-west-1"
    with pytest.raises(UserError, match="No region") as caught:
        open_session("home")
    assert caught.value.code == "no_region"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    session = open_session()
    assert session.region == "us-west-2"
    with pytest.raises(UserError, match="nosuchservice"):
        session.service_client("nosuchservice")
    with pytest.raises(UserError, match="nonsense"):
        open_session(endpoint_url="nonsense").service_client("sts")


def test_a_resource_of_another_region_is_asked_for_there(scripted: Any, reply: Any) -> None:
    def respond(_operation: str, _params: Any) -> Any:
        if "/us-east-1/s3/" in provider_of[0].heads[-1]:
            return reply(b"<Error><Code>PermanentRedirect</Code></Error>", 301, {"x-amz-bucket-region": "eu-west-1"})
        return reply(b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")

    provider_of: list[Any] = []

    async def main() -> None:
        async with scripted(respond) as provider, open_session(endpoint_url=provider.url) as session:
            provider_of.append(provider)
            answer = await session.service_client("s3").call("GetBucketTagging", {"Bucket": "b-b"}, purpose=ONE)
            assert orjson.loads(answer.body) == {"TagSet": [{"Key": "a", "Value": "b"}]}
            assert len(provider.calls) == 2

    asyncio.run(main())


def test_a_budget_bounds_all_retries_together() -> None:
    budget = RetryBudget()
    assert sum(budget.take() for _ in range(1000)) == 100
    for _ in range(5):
        budget.refund()
    assert (budget.take(), budget.take()) == (True, False)


def test_waits_grow_and_are_bounded() -> None:
    policy = RetryPolicy(first_wait_seconds=1.0, longest_wait_seconds=10.0)
    for retry, bound in enumerate([1, 2, 4, 8, 10, 10]):
        waits = [policy.wait_seconds(retry) for _ in range(200)]
        assert 0 <= min(waits) < max(waits) <= bound
