"""`stocktake sync` over many accounts, and as slowly as one wishes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud

ACCOUNTS = ("111122223333", "222233334444")
TYPE = "aws_sagemaker_trainingjob"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedCloud]:
    estate = Estate(40, ACCOUNTS, ("us-east-1",), arrivals_per_day=0.0)
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0.0)) as running:
        for name, value in running.environment(ACCOUNTS[0]).items():
            monkeypatch.setenv(name, value)
        yield running


def test_an_organization_with_an_account_that_nobody_may_enter(run: Any, cloud: SimulatedCloud, tmp_path: Path) -> None:
    catalog = str(tmp_path / "catalog.duckdb")
    arguments = ("sync", "--type", TYPE, "--organization", "--assume-role", "audit/Reader", "--catalog", catalog)
    assert run(*arguments).exit_code == 0
    cloud.switch(denied_actions=[f"sts:AssumeRole@{ACCOUNTS[1]}"])
    result = run(*arguments)
    assert result.exit_code == 3
    assert "role/audit/Reader cannot be assumed" in " ".join(result.stdout.split())
    assert "sts:AssumeRole" in result.stdout
    status = json.loads(run("status", "-o", "json", "--catalog", catalog).stdout)
    stale = {(scope["account_id"], scope["type"]) for scope in status["scopes"] if scope["stale"]}
    assert stale == {(ACCOUNTS[1], TYPE), (ACCOUNTS[1], "*")}
    held = run("query", f"SELECT DISTINCT account_id FROM {TYPE}", "-o", "json", "--catalog", catalog)
    assert {row["account_id"] for row in json.loads(held.stdout)} == set(ACCOUNTS)


@pytest.mark.usefixtures("cloud")
def test_limits_on_the_command_line_and_in_the_environment(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ("sync", "--type", TYPE, "--region", "us-east-1")

    def seconds(catalog: str, *more: str) -> float:
        started = time.monotonic()
        assert run(*arguments, "--catalog", str(tmp_path / catalog), *more).exit_code == 0
        return time.monotonic() - started

    # Some 25 jobs to describe, ten of them at once and then ten a second.
    assert seconds("one", "--limit", "sagemaker:Describe*=10/s") >= 1.0
    monkeypatch.setenv("STOCKTAKE_MAX_CALLS_PER_SECOND", "10")
    assert seconds("two") >= 1.0
    monkeypatch.delenv("STOCKTAKE_MAX_CALLS_PER_SECOND")
    monkeypatch.setenv("STOCKTAKE_LIMITS", "ec2:*=5/s sagemaker:DescribeTrainingJob=10/s")
    assert seconds("three") >= 1.0


@pytest.mark.parametrize(
    ("limit", "told"), [("sagemaker=1/s", "is no limit"), ("sagemakr:*=1/s", "Did you mean sagemaker")]
)
@pytest.mark.usefixtures("cloud")
def test_a_limit_that_means_nothing_is_an_error(run: Any, tmp_path: Path, limit: str, told: str) -> None:
    result = run("sync", "--type", TYPE, "--limit", limit, "--catalog", str(tmp_path / "c"))
    assert result.exit_code == 2
    assert told in result.stderr
    assert "bad_limit" in result.stderr
