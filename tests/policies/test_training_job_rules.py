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
from training_job_records import GOOD, patched

BAD: dict[str, dict[str, Any]] = orjson.loads((Path(__file__).parent / "training_job_bad_records.json").read_bytes())
PACKS = [pack for pack in own_packs() if pack.name.startswith("training-job-")]
RULES = [rule for pack in PACKS for rule in pack.rules]
NOW = datetime(2026, 2, 20, tzinfo=UTC)
IDS_OF_JOINS = {"ALG-002", "EXP-001", "IN-012", "NET-003", "NET-005", "OUT-006", "SEC-010", "STOP-011", "WARM-008"}
IDS_OF_HISTORY = {"LIFE-017", "LIFE-018", "TIME-005"}
IDS_OUTSIDE = {"IN-010", "IN-011", "IN-013", "NET-004", "OUT-005"}
NO_RECORD = {f"SMTJ-{one}" for one in IDS_OF_JOINS | IDS_OF_HISTORY | IDS_OUTSIDE}
"""They look at other resources, at versions before, or at what the catalog does not hold: test_training_job_joins."""


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
    assert set(report.cannot) == {rule.id for rule in RULES if set(rule.needs) - {rule.type}}


@pytest.mark.parametrize("rule_id", sorted(BAD))
def test_a_bad_record_breaks_its_rule(report: Report, rule_id: str) -> None:
    found = {one.rule.id for one in report.open_findings() if one.resource == rule_id}
    assert rule_id in found


def test_all_133_bad_records_of_the_facts_break_their_rules(report: Report) -> None:
    found = {(one.rule.id, one.resource) for one in report.open_findings()}
    assert sum((rule_id, rule_id) in found for rule_id in BAD) == 133


def test_a_good_record_breaks_none(report: Report) -> None:
    assert [one.rule.id for one in report.findings if one.resource == "good" and one.is_judged] == []


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
