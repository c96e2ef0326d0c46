"""Rules on training jobs that look at other resources, or at versions before: a bad and a good estate for each."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policy_rows import write_documents
from sample_catalog import training_job
from stocktake.policies.judging import judge
from stocktake.policies.packs import own_packs
from stocktake.providers.aws.models import open_models
from stocktake.query.connection import open_reading
from stocktake.resource_types.registry import load_type
from training_job_records import GOOD, patched

PACKS = [pack for pack in own_packs() if pack.name.startswith("training-job-")]
NOW = datetime(2026, 2, 20, tzinfo=UTC)
JOB = "aws_sagemaker_trainingjob"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ROLE = "arn:aws:iam::111122223333:role/training"
PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/p"
WAITS = {
    "training_job_status": "InProgress",
    "secondary_status": "Pending",
    "training_start_time": None,
    "training_end_time": None,
}
POOL = {
    "warm_pool_status": {"status": "Reused", "reused_by_job": "next"},
    "resource_config.keep_alive_period_in_seconds": 600,
}
Estate = Mapping[str, Mapping[str, Mapping[str, Any]]]


def planned(seconds: int) -> dict[str, Any]:
    end = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(sep=" ")
    return {
        "resource_config.training_plan_arn": PLAN,
        "stopping_condition.max_pending_time_in_seconds": 7200,
        "secondary_status_transitions": [
            {"status": "Pending", "start_time": "2026-01-01 00:00:00", "end_time": end},
            {"status": "Training", "start_time": end, "end_time": end},
        ],
    }


def following(minute: int) -> dict[str, Any]:
    created = f"2026-01-01 00:{minute:02}:00"
    return {"training_job_name": "next", "creation_time": created, "training_start_time": None}


def subnet(free: int) -> Estate:
    return {"aws_ec2_subnet": {"subnet-1": {"subnet_id": "subnet-1", "available_ip_address_count": free}}}


def plan(start: str) -> Estate:
    record = {
        "training_plan_arn": PLAN,
        "training_plan_name": "p",
        "start_time": start,
        "end_time": "2026-03-01 00:00:00",
    }
    return {"aws_sagemaker_trainingplan": {PLAN: record}}


def role(policy: str) -> Estate:
    record = {
        "arn": ROLE,
        "role_name": "training",
        "attached_policies": [{"policy_arn": policy, "policy_name": "x"}],
    }
    return {"aws_iam_role": {ROLE: record}}


def experiment(name: str) -> Estate:
    return {"aws_sagemaker_experiment": {name: {"experiment_name": name}}}


CASES: dict[str, tuple[dict[str, Any], Estate, Estate]] = {
    "SMTJ-SEC-010": ({}, role(ADMIN), role("arn:aws:iam::111122223333:policy/training")),
    "SMTJ-EXP-001": ({"experiment_config": {"experiment_name": "e"}}, experiment("other"), experiment("e")),
    "SMTJ-NET-005": (WAITS, subnet(0), subnet(1)),
    "SMTJ-STOP-011": (planned(10_000), plan("2026-01-01 00:00:00"), plan("2026-01-01 02:00:00")),
    "SMTJ-WARM-008": (POOL, {JOB: {"next": following(30)}}, {JOB: {"next": following(5)}}),
}
NEVER: dict[str, Any] = {
    "SMTJ-NET-004": WAITS,
    "SMTJ-IN-010": {
        "input_data_config": [
            {
                "channel_name": "train",
                "data_source": {"s3_data_source": {"s3_data_type": "ManifestFile", "s3_uri": "s3://data/manifest"}},
            }
        ]
    },
    "SMTJ-IN-011": WAITS,
    "SMTJ-IN-013": {
        "resource_config.instance_count": 2,
        "input_data_config": [
            {
                "channel_name": "train",
                "data_source": {
                    "s3_data_source": {
                        "s3_data_type": "S3Prefix",
                        "s3_uri": "s3://data/train/",
                        "s3_data_distribution_type": "ShardedByS3Key",
                    }
                },
            }
        ],
    },
    "SMTJ-OUT-005": {"output_data_config.kms_key_id": "alias/models"},
}
HISTORY: dict[str, Any] = {
    "SMTJ-LIFE-017": ({"training_job_status": "Failed", "secondary_status": "Failed"}, {"billable_time_in_seconds": 1}),
    "SMTJ-LIFE-018": ({"hyper_parameters": {"epochs": "4"}}, {"billable_time_in_seconds": 1}),
    "SMTJ-TIME-005": (
        {"training_job_status": "Failed", "secondary_status": "Failed"},
        {"training_job_status": "Failed", "last_modified_time": "2026-01-01 00:05:00"},
    ),
}


def verdicts(path: Path, rule_id: str) -> tuple[set[str], set[str]]:
    """Return which jobs break a rule, and of which that cannot be said."""
    rules = [rule for pack in PACKS for rule in pack.rules if rule.id == rule_id]
    assert len(rules) == 1
    with open_reading(path) as catalog:
        report = judge(catalog, PACKS, rules, NOW, with_not_judged=True)
    broken = {one.resource for one in report.open_findings()}
    return broken, {one.resource for one in report.findings if not one.is_judged} | set(report.cannot)


def write(path: Path, job: dict[str, Any], others: Estate) -> None:
    models = open_models()
    jobs = {"job": patched(job)}
    for name, records in others.items():
        if name == JOB:
            jobs |= {key: {**deepcopy(GOOD), **record} for key, record in records.items()}
        else:
            write_documents(path, load_type(name, models), records, NOW)
    write_documents(path, training_job(), jobs, NOW)


@pytest.mark.parametrize("rule_id", sorted(CASES))
def test_a_rule_that_looks_at_others_tells_bad_from_good(rule_id: str, tmp_path: Path) -> None:
    job, bad, good = CASES[rule_id]
    write(tmp_path / "bad.duckdb", job, bad)
    assert verdicts(tmp_path / "bad.duckdb", rule_id) == ({"job"}, set())
    write(tmp_path / "good.duckdb", job, good)
    assert verdicts(tmp_path / "good.duckdb", rule_id) == (set(), set())
    write(tmp_path / "alone.duckdb", job, {})
    broken, unknown = verdicts(tmp_path / "alone.duckdb", rule_id)
    assert broken == set()
    assert unknown != set()


@pytest.mark.parametrize("rule_id", sorted(NEVER))
def test_what_lies_outside_the_catalog_is_not_judged(rule_id: str, tmp_path: Path) -> None:
    write(tmp_path / "catalog.duckdb", NEVER[rule_id], {})
    assert verdicts(tmp_path / "catalog.duckdb", rule_id) == (set(), {"job"})


@pytest.mark.parametrize("rule_id", sorted(HISTORY))
def test_a_rule_on_versions_tells_bad_from_good(rule_id: str, tmp_path: Path) -> None:
    for number, (patch, wanted) in enumerate(zip(HISTORY[rule_id], ({"job"}, set()), strict=True)):
        path = tmp_path / f"{number}.duckdb"
        write_documents(path, training_job(), {"job": patched({})}, NOW - timedelta(days=1))
        write_documents(path, training_job(), {"job": patched(patch)}, NOW)
        assert verdicts(path, rule_id)[0] == wanted
