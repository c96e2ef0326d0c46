"""The packs for training jobs: a minimal bad record breaks each rule, the good one none; simulated jobs keep them."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from policy_rows import document_of, write_documents
from sample_catalog import training_job
from simulated_estate import simulate
from stocktake.policies.judging import Report, judge
from stocktake.policies.packs import own_packs
from stocktake.query.connection import open_reading

BAD: dict[str, dict[str, Any]] = orjson.loads((Path(__file__).parent / "training_job_bad_records.json").read_bytes())
PACKS = [pack for pack in own_packs() if pack.name.startswith("training-job-")]
RULES = [rule for pack in PACKS for rule in pack.rules]
NOW = datetime(2026, 2, 20, tzinfo=UTC)
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-gpu-py311"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
GOOD: dict[str, Any] = {
    "account_id": "111122223333",
    "training_job_name": "good",
    "training_job_arn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/good",
    "training_job_status": "Completed",
    "secondary_status": "Completed",
    "algorithm_specification": {
        "training_image": IMAGE,
        "training_input_mode": "FastFile",
        "metric_definitions": [{"name": "train:loss", "regex": "loss=([0-9.]+)"}],
    },
    "role_arn": "arn:aws:iam::111122223333:role/training",
    "input_data_config": [
        {
            "channel_name": "train",
            "data_source": {"s3_data_source": {"s3_data_type": "S3Prefix", "s3_uri": "s3://data/train/"}},
        }
    ],
    "output_data_config": {"s3_output_path": "s3://models/out", "kms_key_id": KEY},
    "model_artifacts": {"s3_model_artifacts": "s3://models/out/good/output/model"},
    "resource_config": {
        "instance_type": "ml.m5.xlarge",
        "instance_count": 1,
        "volume_size_in_gb": 30,
        "volume_kms_key_id": KEY,
    },
    "vpc_config": {"subnets": ["subnet-1"], "security_group_ids": ["sg-1"]},
    "stopping_condition": {"max_runtime_in_seconds": 86400},
    "enable_network_isolation": True,
    "enable_managed_spot_training": False,
    "enable_inter_container_traffic_encryption": False,
    "profiler_config": {"disable_profiler": False, "profiling_interval_in_milliseconds": 500},
    "hyper_parameters": {"epochs": "3"},
    "environment": {"MODE": "fast"},
    "creation_time": "2026-01-01 00:00:00",
    "training_start_time": "2026-01-01 00:00:10",
    "training_end_time": "2026-01-01 00:04:00",
    "last_modified_time": "2026-01-01 00:04:00",
    "training_time_in_seconds": 230,
    "billable_time_in_seconds": 230,
    "secondary_status_transitions": [
        {"status": "Starting", "start_time": "2026-01-01 00:00:00", "end_time": "2026-01-01 00:01:00"},
        {"status": "Training", "start_time": "2026-01-01 00:01:00", "end_time": "2026-01-01 00:03:00"},
        {"status": "Uploading", "start_time": "2026-01-01 00:03:00", "end_time": "2026-01-01 00:04:00"},
        {"status": "Completed", "start_time": "2026-01-01 00:04:00", "end_time": "2026-01-01 00:04:00"},
    ],
    "final_metric_data_list": [{"metric_name": "train:loss", "value": 0.5, "timestamp": "2026-01-01 00:02:30"}],
    "tags": ["team:vision", "env:prod"],
}
NO_RECORD = {"SMTJ-ALG-002", "SMTJ-IN-012", "SMTJ-LIFE-017", "SMTJ-LIFE-018", "SMTJ-NET-003", "SMTJ-OUT-006"}


def patched(patch: dict[str, Any]) -> dict[str, Any]:
    """Return the good record with a few fields changed; `a.b` is inside `a`, None takes a field out."""
    record = deepcopy(GOOD)
    for path, value in patch.items():
        *above, last = path.split(".")
        inner = record
        for step in above:
            inner = inner.setdefault(step, {})
        inner[last] = expanded(value)
    return record


def expanded(value: Any) -> Any:
    if isinstance(value, dict) and "$repeat" in value:
        return [value["item"]] * value["$repeat"]
    if isinstance(value, dict) and "$keys" in value:
        return {f"k{number}": "v" for number in range(value["$keys"])}
    return value


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What judging one bad record for each rule and a good one comes to; a record is called after its rule."""
    path = tmp_path_factory.mktemp("policies") / "catalog.duckdb"
    records = {name: patched(patch) for name, patch in BAD.items()} | {"good": deepcopy(GOOD)}
    write_documents(path, training_job(), records, NOW)
    with open_reading(path) as catalog:
        return judge(catalog, PACKS, RULES, NOW, with_not_judged=True)


def test_there_is_a_bad_record_for_every_rule_that_looks_at_one_job() -> None:
    assert len(BAD) == 133
    assert {rule.id for rule in RULES} == set(BAD) | NO_RECORD


def test_all_rules_can_be_asked(report: Report) -> None:
    assert set(report.cannot) == {rule.id for rule in RULES if rule.needs}


@pytest.mark.parametrize("rule_id", sorted(BAD))
def test_a_bad_record_breaks_its_rule(report: Report, rule_id: str) -> None:
    found = {one.rule.id for one in report.open_findings() if one.resource == rule_id}
    assert rule_id in found


def test_a_good_record_breaks_none(report: Report) -> None:
    assert [one.rule.id for one in report.findings if one.resource == "good"] == []


def test_the_documents_came_through_whole() -> None:
    assert document_of(training_job(), GOOD)["TrainingJobName"] == "good"


def test_simulated_jobs_keep_every_contract(tmp_path: Path) -> None:
    with simulate(tmp_path, jobs=1_500) as estate, open_reading(estate.catalog) as catalog:
        [contract] = [pack for pack in PACKS if pack.is_data_quality]
        found = judge(catalog, PACKS, contract.rules, datetime.now(UTC))
        assert [(one.rule.id, one.resource) for one in found.open_findings()] == []
        judged = sum(one.passed for one in found.tallies.values())
        assert judged > 1_500 * 25
        assert found.resources > 1_500
        advice = judge(catalog, PACKS, RULES, datetime.now(UTC))
        assert len({one.rule.id for one in advice.open_findings()}) > 8
