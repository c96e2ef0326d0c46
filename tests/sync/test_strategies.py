"""The ways to read a scope: which is chosen, what it costs, and what each hazard would break without its remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.core.progress import ScopeProgress, Silent
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.store.ledger import Coverage
from stocktake.sync import SyncReport, SyncRequest, run_sync
from stocktake.sync import scope as sync_scope
from stocktake.sync.strategies import (
    GROWTH,
    SOONEST,
    ScopeMemory,
    Strategy,
    Wish,
    is_due,
    open_set_obstacle,
    plan_scope,
)
from sync_bench import JOB, Bench

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHOLE = ScopeMemory(whole_at=NOW - timedelta(hours=2), watermark=NOW - timedelta(hours=3))


@pytest.mark.parametrize(
    ("memory", "wish", "expected"),
    [
        (ScopeMemory(), Wish(), Strategy.FULL),
        (WHOLE, Wish(), Strategy.OPEN_SET),
        (WHOLE, Wish(reconcile=True), Strategy.RECONCILE),
        (WHOLE, Wish(full=True), Strategy.FULL),
        (WHOLE, Wish(reconcile_every=timedelta(hours=2)), Strategy.RECONCILE),
        # A clock that was set back must not put the reconcile off for ever.
        (ScopeMemory(NOW + timedelta(days=900), NOW), Wish(), Strategy.RECONCILE),
    ],
)
def test_the_cheapest_right_way_is_chosen(memory: ScopeMemory, wish: Wish, expected: Strategy) -> None:
    plan = plan_scope(load_type(JOB, open_models()), memory, wish, NOW)
    assert plan.strategy is expected
    assert plan.why


@pytest.mark.parametrize(
    ("name", "strategy", "obstacle"),
    [
        ("aws_sagemaker_processingjob", Strategy.OPEN_SET, ""),
        ("aws_ec2_instance", Strategy.BULK, "no final states are known"),
        ("aws_s3_bucket", Strategy.FULL, "no final states are known"),
        ("aws_ecs_task", Strategy.BULK, "resources are not read one by one"),
        ("aws_sagemaker_notebookinstance", Strategy.FULL, "no final states are known"),
    ],
)
def test_other_types_are_judged_by_the_same_rules(name: str, strategy: Strategy, obstacle: str) -> None:
    kind = load_type(name, open_models())
    assert open_set_obstacle(kind) == obstacle
    assert plan_scope(kind, WHOLE, Wish(), NOW).strategy is strategy


def test_a_type_that_others_are_listed_under_is_listed_whole() -> None:
    plan = plan_scope(load_type(JOB, open_models()), WHOLE, Wish(), NOW, is_parent=True)
    assert plan.strategy is not Strategy.OPEN_SET


def test_what_may_still_move_beside_a_final_state_is_derived() -> None:
    moving = {".".join(one.path): one.words for one in load_type(JOB, open_models()).life_cycle.moving}
    assert moving == {
        "WarmPoolStatus.Status": {"Available", "InUse"},
        "DebugRuleEvaluationStatuses.RuleEvaluationStatus": {"InProgress", "Stopping"},
        "ProfilerRuleEvaluationStatuses.RuleEvaluationStatus": {"InProgress", "Stopping"},
    }


# -- what it costs, and what it finds ----------------------------------------------------------------------------------


def _open_set(bench: Bench, **options: object) -> Coverage:
    [scope] = bench.sync(reconcile=False, **options).scopes
    assert scope.strategy == "open_set", scope.strategy_reason
    return scope


def _quiet(make_bench: Callable[..., Bench], jobs: int = 300) -> Bench:
    """A cloud where everything has ended and settled long ago, synced once."""
    bench = make_bench(jobs=jobs)
    bench.cloud.clock.advance(60 * 86_400)
    bench.sync()
    assert bench.rows(f"SELECT count(*) FROM {JOB}_history WHERE NOT _settled") == [(0,)]
    return bench


def test_nothing_new_costs_a_handful_of_calls(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    before = bench.rows(f"FROM {JOB}_history ORDER BY ALL")
    scope = _open_set(bench)
    assert scope.calls <= 2
    assert bench.rows(f"FROM {JOB}_history ORDER BY ALL") == before


def test_new_jobs_and_their_way_to_the_end_are_followed(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.create("fresh", Tags=[{"Key": "team", "Value": "x"}])
    scope = _open_set(bench)
    assert (scope.new, scope.calls) == (1, 3)
    for _ in range(4):
        bench.cloud.clock.advance(7_200)
        _open_set(bench)
    [(status, tags, settled)] = bench.rows(
        f"SELECT training_job_status, tags, _settled FROM {JOB}_history "
        "WHERE training_job_name = 'fresh' AND _to IS NULL"
    )
    truth = bench.boto3.describe_training_job(TrainingJobName="fresh")
    assert (status, tags, settled) == (truth["TrainingJobStatus"], ["team:x"], True)
    assert _open_set(bench).calls <= 2


def test_what_runs_on_unchanged_costs_no_call_of_its_own(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    for number in range(12):
        bench.create(f"running-{number:02}")
    bench.cloud.clock.advance(400)
    _open_set(bench)
    running = bench.rows(f"SELECT count(*) FROM {JOB} WHERE training_job_status = 'InProgress'")
    assert running > [(3,)]
    bench.cloud.reset_stats()
    scope = _open_set(bench)
    # One page tells that nothing happened to any of them.
    assert bench.cloud.stats().get(("sagemaker", "DescribeTrainingJob"), 0) < running[0][0]
    assert scope.new == scope.changed == 0
    # What happens to one of them is seen by the very next sync.
    [(name,)] = bench.rows(
        f"SELECT training_job_name FROM {JOB} WHERE training_job_status = 'InProgress' ORDER BY 1 LIMIT 1"
    )
    bench.boto3.stop_training_job(TrainingJobName=name)
    _open_set(bench)
    [(state,)] = bench.rows(f"SELECT training_job_status FROM {JOB} WHERE training_job_name = '{name}'")
    assert state == bench.boto3.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] != "InProgress"


@given(
    age=st.floats(1, 28 * 86_400),
    every=st.floats(30, 86_400),
)
def test_what_runs_on_is_read_each_time_its_age_has_grown_by_a_fifth(age: float, every: float) -> None:
    created = NOW - timedelta(seconds=age)
    # Syncs in equal steps, until its age has grown by a fifth, or half an hour has passed.
    wait = max(age * (GROWTH - 1), SOONEST.total_seconds())
    looks = [NOW + timedelta(seconds=every * step) for step in range(int(1.01 * wait / every) + 2)]
    due = [is_due(created, before, at) for before, at in pairwise(looks)]
    assert any(due)
    # And not much more often: at the end of a step, and at the end of the next one.
    assert sum(due) <= 3
    assert is_due(created, None, NOW)


def test_a_reconcile_after_open_sets_reads_nothing_twice(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.create("fresh")
    for _ in range(4):
        bench.cloud.clock.advance(7_200)
        _open_set(bench)
    bench.cloud.reset_stats()
    bench.sync()
    # What was read without being listed is known by the fingerprint that its list item has.
    assert bench.cloud.stats().get(("sagemaker", "DescribeTrainingJob"), 0) == 0


def test_an_open_job_that_was_deleted_is_closed_by_its_own_answer(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.create("doomed")
    _open_set(bench)
    bench.boto3.stop_training_job(TrainingJobName="doomed")
    bench.cloud.clock.advance(700)
    bench.boto3.delete_training_job(TrainingJobName="doomed")
    scope = _open_set(bench)
    assert scope.deleted == 1
    assert "doomed" not in bench.names()


def test_deleted_and_edited_ended_jobs_wait_for_the_reconcile_which_comes_by_itself(
    make_bench: Callable[..., Bench],
) -> None:
    bench = _quiet(make_bench)
    [(gone, _), (edited, arn)] = bench.rows(f"SELECT training_job_name, _id FROM {JOB}_history ORDER BY 1 LIMIT 2")
    bench.boto3.delete_training_job(TrainingJobName=gone)
    bench.boto3.add_tags(ResourceArn=arn, Tags=[{"Key": "edited", "Value": "yes"}])
    _open_set(bench)
    assert gone in bench.names()
    [scope] = bench.sync(reconcile=False, reconcile_every=timedelta(0)).scopes
    assert (scope.strategy, scope.deleted) == ("reconcile", 1)
    assert gone not in bench.names()
    [(tags,)] = bench.rows(f"SELECT tags FROM {JOB} WHERE training_job_name = '{edited}'")
    assert "edited:yes" in tags


# -- hazards: each of these fails without its remedy -------------------------------------------------------------------


def test_an_index_that_is_late_hides_no_job(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.cloud.switch(list_lag_seconds=20)
    for number in range(8):
        bench.create(f"late-{number}")
        bench.cloud.clock.advance(7)
        _open_set(bench)
    bench.cloud.clock.advance(30)
    _open_set(bench)
    assert bench.names() == bench.provider_names()


class _Clock:
    def __init__(self, seconds: float) -> None:
        self._shift = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift


@pytest.mark.parametrize("seconds", [-120, 120, -86_400 * 30])
def test_our_clock_does_not_matter(make_bench: Callable[..., Bench], seconds: float) -> None:
    bench = _quiet(make_bench)

    def sync() -> SyncReport:
        request = SyncRequest(
            bench.catalog, (JOB,), ("us-east-1",), endpoint_url=bench.cloud.endpoint_url, reconcile_every=timedelta(400)
        )
        return run_sync(request, Silent(), _Clock(seconds))

    for number in range(3):
        bench.create(f"new-{number}")
        bench.cloud.clock.advance(45)
        sync()
    assert bench.names() == bench.provider_names()


def test_a_warm_pool_is_followed_although_no_time_of_the_job_moves(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.boto3.create_training_job(
        TrainingJobName="pooled",
        AlgorithmSpecification={"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::111122223333:role/trainer",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
            "KeepAlivePeriodInSeconds": 3_600,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    seen = set()
    for _ in range(10):
        bench.cloud.clock.advance(1_500)
        _open_set(bench)
        [(pool,)] = bench.rows(f"SELECT warm_pool_status.status FROM {JOB} WHERE training_job_name = 'pooled'")
        truth = bench.boto3.describe_training_job(TrainingJobName="pooled").get("WarmPoolStatus", {}).get("Status")
        assert pool == truth
        seen.add(pool)
    assert {"Available", "Terminated"} <= seen


def test_a_name_used_again_is_another_job(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    [(name, created)] = bench.rows(f"SELECT training_job_name, _created FROM {JOB}_history ORDER BY 1 LIMIT 1")
    bench.boto3.delete_training_job(TrainingJobName=name)
    bench.create(name)
    _open_set(bench)
    [(again,)] = bench.rows(f"SELECT _created FROM {JOB}_history WHERE training_job_name = '{name}' AND _to IS NULL")
    assert again > created


def test_a_sweep_with_a_gap_does_not_move_the_watermark(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    lost = bench.create("unreadable")
    bench.cloud.switch(malformed_arns=[lost])
    bench.cloud.clock.advance(3_600)
    bench.create("readable")
    scope = _open_set(bench)
    assert scope.status == "partial"
    bench.cloud.switch(malformed_arns=[])
    bench.cloud.clock.advance(3_600)
    _open_set(bench)
    assert bench.names() == bench.provider_names()


def test_a_list_that_leaves_one_out_deletes_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = _quiet(make_bench)
    bench.create("fresh")
    _open_set(bench)
    # The index forgets what it knew a moment ago: the job is not listed, and yet it is there.
    bench.cloud.switch(list_lag_seconds=3_600)
    [scope] = bench.sync().scopes
    assert (scope.strategy, scope.deleted) == ("reconcile", 0)
    assert "fresh" in bench.names()


# -- the first load ----------------------------------------------------------------------------------------------------


def test_a_first_load_says_what_it_will_cost_and_brings_the_newest_first(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_scope, "BATCH", 400)
    bench = make_bench(jobs=3_000)
    told: list[ScopeProgress] = []

    class Told(Silent):
        def update(self, scope: ScopeProgress) -> None:
            told.append(scope)

    request = SyncRequest(bench.catalog, (JOB,), ("us-east-1",), endpoint_url=bench.cloud.endpoint_url)
    [scope] = run_sync(request, Told()).scopes
    expected = told[0].expected
    assert told[0].listed == 0
    assert abs(expected - scope.listed) < 0.15 * scope.listed
    assert abs(told[0].expected_calls - scope.calls) < 0.2 * scope.calls
    # In the order that it was written, the newest half is there before the oldest.
    half = bench.rows(
        f"SELECT avg(epoch(_created)) FROM {JOB}_history GROUP BY _from > (SELECT median(_from) FROM "
        f"{JOB}_history) ORDER BY min(_from)"
    )
    assert half[0] > half[-1]
