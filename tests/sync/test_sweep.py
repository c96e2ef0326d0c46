"""A sweep over the wire: what it reads, what it writes, what it costs, and what it never deletes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import botocore.session
import orjson
import pytest

from model_values import differences, expected
from stocktake.core.errors import CredentialsError, UnreachableError, UserError
from stocktake.providers.aws.models import open_models
from sync_bench import ACCOUNT, JOB, Bench


def test_every_field_of_every_job_reads_back_as_boto3_describes_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(jobs=300)
    report = bench.sync()
    assert report.exit_code == 0
    model = botocore.session.Session().get_service_model("sagemaker").operation_model("DescribeTrainingJob")
    names = bench.provider_names()
    assert len(names) >= 300
    fields = [row[0] for row in bench.rows(f"DESCRIBE {JOB}") if not row[0].startswith("_")]
    rows = {row[fields.index("training_job_name")]: row for row in bench.rows(f"SELECT {', '.join(fields)} FROM {JOB}")}
    assert set(rows) == names
    redacted = 0
    for name in names:
        answer = bench.boto3.describe_training_job(TrainingJobName=name)
        answer.pop("ResponseMetadata")
        wanted = expected(model.output_shape, answer)
        tags = bench.boto3.list_tags(ResourceArn=answer["TrainingJobArn"])["Tags"]
        wanted |= {"account_id": ACCOUNT, "tags": sorted(f"{t['Key']}:{t['Value']}" for t in tags)}
        row = dict(zip(fields, rows[name], strict=True))
        redacted += _take_out_redacted(wanted, row)
        assert not differences(wanted, row)
    assert redacted > 0


def _take_out_redacted(wanted: dict[str, Any], row: dict[str, Any]) -> int:
    """Compare redacted values by what is kept of them, and leave the rest to be compared as it is."""
    count = 0
    for column in ("environment", "hyper_parameters"):
        for key, value in (row[column] or {}).items():
            if value.startswith("<redacted"):
                assert value.startswith(f"<redacted length={len(wanted[column][key])} hash=")
                wanted[column][key] = value
                count += 1
    return count


def test_a_second_sync_of_an_unchanged_estate_reads_what_is_open_and_writes_nothing(bench: Bench) -> None:
    bench.sync()
    history = bench.rows(f"FROM {JOB}_history ORDER BY ALL")
    bench.cloud.reset_stats()
    report = bench.sync()
    [scope] = report.scopes
    assert (scope.new, scope.changed, scope.deleted) == (0, 0, 0)
    assert scope.unchanged == scope.listed == len(bench.provider_names())
    [(still_open,)] = bench.rows(f"SELECT count(*) FROM {JOB}_history WHERE NOT _settled")
    calls = bench.cloud.stats()
    assert calls["sagemaker", "DescribeTrainingJob"] == still_open < scope.listed / 5
    assert bench.rows(f"FROM {JOB}_history ORDER BY ALL") == history


def test_a_first_sync_costs_about_one_call_a_job(bench: Bench) -> None:
    report = bench.sync()
    [scope] = report.scopes
    assert bench.rows(f"SELECT count(*) FROM {JOB} WHERE len(tags) = 0")[0][0] > 3
    assert report.calls <= scope.listed + 10
    _assert_catalog_equals_provider(bench)


def test_a_new_job_that_the_tagging_api_does_not_name_yet_is_asked_for_itself(bench: Bench) -> None:
    for number in range(10):
        bench.create(f"fresh-{number}", Tags=[{"Key": "n", "Value": str(number)}] if number % 2 else [])
    bench.cloud.reset_stats()
    bench.sync()
    asked = bench.cloud.stats()["sagemaker", "ListTags"]
    newest = (bench.cloud.clock.now() - timedelta(minutes=15)).replace(tzinfo=None)
    young = bench.rows(f"SELECT count(*) FROM {JOB} WHERE len(tags) = 0 AND _created > '{newest}'")
    assert asked == young[0][0] >= 5
    _assert_catalog_equals_provider(bench)


def test_full_reads_everything_again_and_still_writes_nothing(bench: Bench) -> None:
    bench.sync()
    report = bench.sync(full=True)
    [scope] = report.scopes
    assert scope.read == scope.listed
    assert (scope.new, scope.changed) == (0, 0)


def test_jobs_that_moved_on_are_read_again(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(jobs=150, arrivals_per_day=200)
    bench.sync()
    before = bench.names()
    bench.cloud.clock.advance(6 * 3600)
    report = bench.sync()
    [scope] = report.scopes
    assert scope.new == len(bench.provider_names() - before) > 0
    assert scope.changed > 0
    assert bench.names() == bench.provider_names()
    _assert_catalog_equals_provider(bench)
    # What arrives after the end, without the list showing it, is there once the settle window has passed.
    bench.cloud.clock.advance(3600)
    bench.sync()
    _assert_catalog_equals_provider(bench)


def _assert_catalog_equals_provider(bench: Bench) -> None:
    """Compare what matters of every job, whatever the catalog believed it could skip."""
    columns = "training_job_name, training_job_status, secondary_status, billable_time_in_seconds"
    columns += ", len(secondary_status_transitions), len(final_metric_data_list), tags"
    held = {row[0]: row[1:] for row in bench.rows(f"SELECT {columns} FROM {JOB}")}
    for name in bench.provider_names():
        job = bench.boto3.describe_training_job(TrainingJobName=name)
        tags = bench.boto3.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
        metrics = job.get("FinalMetricDataList")
        assert held[name] == (
            job["TrainingJobStatus"],
            job["SecondaryStatus"],
            job.get("BillableTimeInSeconds"),
            len(job["SecondaryStatusTransitions"]),
            None if metrics is None else len(metrics),
            sorted(f"{t['Key']}:{t['Value']}" for t in tags),
        )


def test_edited_added_and_removed_tags_of_settled_jobs_are_seen(bench: Bench) -> None:
    bench.sync()
    tagged = bench.rows(f"SELECT _id FROM {JOB}_history WHERE _settled AND len(tags) > 0 ORDER BY 1 LIMIT 3")
    [untagged] = bench.rows(f"SELECT _id FROM {JOB}_history WHERE _settled AND len(tags) = 0 ORDER BY 1 LIMIT 1")
    (edited,), (added,), (removed,) = tagged
    keys = [t["Key"] for t in bench.boto3.list_tags(ResourceArn=removed)["Tags"]]
    bench.boto3.add_tags(ResourceArn=edited, Tags=[{"Key": "team", "Value": "moved"}])
    bench.boto3.add_tags(ResourceArn=added, Tags=[{"Key": "fresh", "Value": ""}])
    bench.boto3.add_tags(ResourceArn=untagged[0], Tags=[{"Key": "first", "Value": "x:y"}])
    bench.boto3.delete_tags(ResourceArn=removed, TagKeys=keys)
    report = bench.sync()
    assert report.scopes[0].changed == 4
    tags = dict(bench.rows(f"SELECT _id, tags FROM {JOB}"))
    assert "team:moved" in tags[edited]
    assert "fresh:" in tags[added]
    assert tags[untagged[0]] == ["first:x:y"]
    assert tags[removed] == []


def test_a_deleted_job_ends_and_a_reused_name_is_another_job(bench: Bench) -> None:
    bench.sync()
    done = bench.rows(f"SELECT training_job_name FROM {JOB} WHERE training_job_status = 'Completed' LIMIT 2")
    (gone,), (reused,) = done
    for name in (gone, reused):
        bench.boto3.delete_training_job(TrainingJobName=name)
    bench.cloud.clock.advance(60)
    bench.create(reused)
    report = bench.sync()
    assert report.scopes[0].deleted == 1
    assert bench.names() == bench.provider_names()
    history = f"{JOB}_history WHERE training_job_name"
    assert bench.rows(f"SELECT _gone, _to IS NULL FROM {history} = '{gone}'") == [(True, False)]
    lives = bench.rows(f"SELECT _created, _to IS NULL, training_job_status FROM {history} = '{reused}' ORDER BY _from")
    assert [life[1] for life in lives] == [False, True]
    assert lives[0][0] < lives[1][0]


def test_a_denied_describe_keeps_what_is_held_and_names_the_permission(bench: Bench) -> None:
    bench.sync()
    before = bench.names()
    bench.cloud.switch(denied_actions=["sagemaker:DescribeTrainingJob"])
    bench.cloud.clock.advance(7200)
    report = bench.sync()
    [scope] = report.scopes
    assert report.exit_code == 3
    assert (scope.status, scope.missing_permission) == ("denied", "sagemaker:DescribeTrainingJob")
    assert scope.deleted == 0
    assert bench.names() == before
    [(status, stale)] = bench.rows("SELECT status, stale FROM coverage_now")
    assert (status, stale) == ("denied", True)


def test_a_denied_list_deletes_nothing(bench: Bench) -> None:
    bench.sync()
    before = bench.names()
    bench.cloud.switch(denied_actions=["sagemaker:ListTrainingJobs"])
    report = bench.sync()
    assert report.scopes[0].missing_permission == "sagemaker:ListTrainingJobs"
    assert report.scopes[0].hint
    assert bench.names() == before


def test_denied_tags_leave_the_field_unknown_and_known_ones_as_they_were(bench: Bench) -> None:
    bench.sync()
    before = dict(bench.rows(f"SELECT _id, tags FROM {JOB}"))
    bench.cloud.switch(denied_actions=["sagemaker:ListTags", "tag:GetResources"])
    new = bench.create("brand-new", Tags=[{"Key": "a", "Value": "b"}])
    report = bench.sync()
    [scope] = report.scopes
    assert report.exit_code == 3
    assert (scope.status, scope.tags_status) == ("complete", "denied")
    assert scope.missing_permission == "sagemaker:ListTags, tag:GetResources"
    after = dict(bench.rows(f"SELECT _id, tags FROM {JOB}"))
    assert after.pop(new) is None
    assert after == before
    bench.cloud.switch(denied_actions=[])
    assert bench.sync().exit_code == 0
    assert dict(bench.rows(f"SELECT _id, tags FROM {JOB}"))[new] == ["a:b"]


def test_without_the_tagging_api_the_services_own_calls_tell_tags(bench: Bench) -> None:
    bench.cloud.switch(denied_actions=["tag:GetResources"])
    report = bench.sync()
    assert report.exit_code == 0
    assert report.calls > 2 * report.scopes[0].listed
    _assert_catalog_equals_provider(bench)


def test_a_scope_with_faults_ends_complete_and_right(bench: Bench) -> None:
    bench.cloud.switch(error_rate=0.03, truncated_rate=0.03, throttle={"DescribeTrainingJob": [100, 50]})
    report = bench.sync()
    assert report.exit_code == 0, report.scopes
    assert report.scopes[0].throttled_calls > 0
    bench.cloud.switch(error_rate=0.0, truncated_rate=0.0, throttle={})
    _assert_catalog_equals_provider(bench)


def test_an_answer_that_is_no_json_is_kept_aside_and_its_job_is_not_deleted(bench: Bench) -> None:
    bench.sync()
    [(arn,)] = bench.rows(f"SELECT training_job_arn FROM {JOB} ORDER BY 1 LIMIT 1")
    bench.cloud.switch(malformed_arns=[arn])
    report = bench.sync(full=True)
    [scope] = report.scopes
    assert report.exit_code == 3
    assert (scope.status, scope.aside, scope.deleted) == ("partial", 1, 0)
    [(kept, reason, value)] = bench.rows("SELECT id, reason, value FROM aside")
    assert kept == arn
    assert reason
    assert value
    assert arn in {row[0] for row in bench.rows(f"SELECT training_job_arn FROM {JOB}")}


def test_a_job_deleted_between_list_and_describe_is_a_deletion_not_an_error(bench: Bench) -> None:
    bench.sync()
    bench.cloud.switch(vanish_rate=0.2)
    report = bench.sync(full=True)
    bench.cloud.switch(vanish_rate=0.0)
    assert report.exit_code == 0
    assert report.scopes[0].deleted > 0
    assert bench.names() == bench.provider_names()


def test_a_list_that_never_ends_is_a_gap(bench: Bench) -> None:
    bench.sync()
    before = bench.names()
    bench.cloud.switch(endless_token=["ListTrainingJobs"])
    report = bench.sync()
    assert report.scopes[0].status in {"failed", "partial"}
    assert "loop" in report.scopes[0].reason
    assert bench.names() == before


def test_one_denied_region_does_not_stop_another(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.cloud.switch(denied_actions=["sagemaker:*@eu-west-1"])
    report = bench.sync(regions=("us-east-1", "eu-west-1"))
    statuses = {scope.region: scope.status for scope in report.scopes}
    assert statuses == {"us-east-1": "complete", "eu-west-1": "denied"}
    assert bench.names() == bench.provider_names()


def test_expired_credentials_are_said_before_anything_is_written(bench: Bench) -> None:
    bench.cloud.switch(expired_accounts=["*"])
    with pytest.raises(CredentialsError) as raised:
        bench.sync()
    assert raised.value.exit_code == 4
    assert raised.value.hint
    assert not bench.catalog.exists()


def test_an_endpoint_that_does_not_answer(bench: Bench) -> None:
    with pytest.raises(UnreachableError) as raised:
        bench.sync(endpoint_url="http://127.0.0.1:1")
    assert raised.value.exit_code == 5


def test_an_unknown_type_names_its_neighbors(bench: Bench) -> None:
    with pytest.raises(UserError) as raised:
        bench.sync(types=("aws_sagemaker_traningjob",))
    assert JOB in raised.value.hint


def test_a_field_the_model_does_not_know_is_drift_and_kept(bench: Bench, tmp_path: Any) -> None:
    """An older model is a newer provider, seen from the other side."""
    models = _models_without(tmp_path, "FinalMetricDataList")
    report = bench.sync(models=models)
    assert report.exit_code == 0
    assert report.scopes[0].drift == {"FinalMetricDataList"}
    [(text,)] = bench.rows(f"SELECT _unknown FROM {JOB} WHERE _unknown IS NOT NULL LIMIT 1")
    assert json.loads(text)["FinalMetricDataList"]


def _models_without(folder: Any, member: str) -> Any:
    """Write botocore's own folder anew, with one output member gone."""
    source = open_models().load("sagemaker")
    target = folder / "models" / "sagemaker" / source.api_version
    target.mkdir(parents=True)
    loader = botocore.session.Session().get_component("data_loader")
    for kind in ("service-2", "paginators-1", "waiters-2"):
        model = loader.load_service_model("sagemaker", kind)
        if kind == "service-2":
            model = json.loads(json.dumps(model))
            del model["shapes"]["DescribeTrainingJobResponse"]["members"][member]
        (target / f"{kind}.json").write_bytes(orjson.dumps(model))
    return folder / "models"
