"""Questions by name: each has an answer, the documentation shows it, and it is right where one can know."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sample_catalog import write_sample_catalog
from stocktake.core.errors import UserError
from stocktake.insights import names
from stocktake.insights.prices import read_prices
from stocktake.insights.questions import Question, answer, find_question, parse_question, read_questions
from stocktake.query.connection import open_reading
from stocktake.store.catalog import Catalog

QUESTIONS = read_questions()
EMPTY_ON_THE_ESTATE = {"cross_region_inputs", "derived_jobs", "failure_spikes", "idle_warm_pools"}
HEAD = "-- title: T\n-- about: A\n-- topic: x\n"


def ask(catalog: Catalog, name: str, estate: Any = None, **given: str) -> list[dict[str, Any]]:
    result = answer(catalog, QUESTIONS[name], given, None if estate is None else read_prices(estate.prices))
    columns = [column.name for column in result.columns]
    return [dict(zip(columns, row, strict=True)) for row in result.rows()]


def test_there_are_fifty_and_the_page_has_all_answers(estate: Any, questions_page: ModuleType) -> None:
    assert len(QUESTIONS) >= 50
    text = questions_page.PAGE.read_text(encoding="utf-8")
    assert questions_page.renew(text, estate) == text, "run `make docs`"
    assert all(f"`stocktake ask {name}`" in text for name in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda one: one.name)
def test_every_question_is_whole_and_has_an_answer(catalog: Catalog, estate: Any, question: Question) -> None:
    assert question.title.endswith("?")
    assert question.about.endswith(".")
    rows = ask(catalog, question.name, estate)
    assert bool(rows) == (question.name not in EMPTY_ON_THE_ESTATE)


def test_an_answer_without_prices_has_hours_and_no_money(catalog: Catalog) -> None:
    rows = ask(catalog, "cost_by_team")
    assert all(row["instance_hours"] > 0 and row["cost"] is None for row in rows)
    assert sum(row["unpriced_hours"] for row in rows) == pytest.approx(
        sum(row["instance_hours"] for row in rows), abs=1
    )


def test_savings_by_team_are_those_that_were_made(catalog: Catalog, estate: Any) -> None:
    teams = {row[0]: row[1] for row in answered(catalog, "SELECT _id, team FROM aws_sagemaker_trainingjob_insights")}
    counted: Counter[str] = Counter()
    for job in estate.truth:
        if job["saved_percent"] and job["status"] in {"Completed", "Failed", "Stopped"}:
            counted[teams[job["arn"]] or "(untagged)"] += 1
    assert {row["team"]: row["spot_jobs"] for row in ask(catalog, "spot_savings")} == counted
    [vision] = ask(catalog, "spot_savings", team="vision")
    assert vision["spot_jobs"] == counted["vision"]
    assert 0 < vision["savings_pct"] < 80


def test_interruptions_by_type_are_those_that_happened(catalog: Catalog, estate: Any) -> None:
    happened: Counter[str] = Counter()
    for job in estate.truth:
        happened[job["instances"][0][0]] += job["interruptions"]
    found = {row["instance_type"]: row["interruptions"] for row in ask(catalog, "spot_interruptions")}
    assert {name: number for name, number in found.items() if number} == {n: c for n, c in happened.items() if c}


def test_costs_by_type_add_up_to_what_the_jobs_cost(catalog: Catalog, estate: Any) -> None:
    rows = ask(catalog, "cost_by_type_and_month", estate, top="1000")
    assert sum(row["cost"] for row in rows) == pytest.approx(sum(job["invented_usd"] for job in estate.truth), abs=1)


def test_failures_by_phase_are_those_that_happened(catalog: Catalog, estate: Any) -> None:
    happened = Counter((job["failure"], job["failed_in"]) for job in estate.truth if job.get("failure"))
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in ask(catalog, "failures_by_class"):
        found[row["failure_class"], row["failed_phase"]] += row["jobs"]
    assert found == happened


def test_a_peak_is_never_less_than_any_one_cluster(catalog: Catalog, estate: Any) -> None:
    largest: defaultdict[tuple[str, str], int] = defaultdict(int)
    for job in estate.truth:
        for kind, number in job["instances"]:
            if job["waited"] is not None:
                largest[job["account_id"], kind] = max(largest[job["account_id"], kind], number)
    rows = ask(catalog, "concurrency_peak", top="1000")
    assert {(row["account_id"], row["instance_type"]) for row in rows} == set(largest)
    assert all(row["peak"] >= largest[row["account_id"], row["instance_type"]] for row in rows)


def test_chains_are_as_long_as_pools_were_passed_on(catalog: Catalog, estate: Any) -> None:
    following = {(job["account_id"], job["name"]): job["chain"] for job in estate.truth if job["chain"]}
    heads = {key for key in following if (key[0], key[1]) not in {(a, n) for (a, _), n in following.items()}}

    def length(account: str, name: str) -> int:
        return 1 + (length(account, following[account, name]) if (account, name) in following else 0)

    rows = ask(catalog, "warm_pool_chains", top="1000")
    assert sorted(row["jobs_in_chain"] for row in rows) == sorted(length(*head) for head in heads)


def answered(catalog: Catalog, sql: str) -> list[tuple[Any, ...]]:
    return list(names.ask(catalog, sql).rows())


def test_a_moment_may_be_given(catalog: Catalog) -> None:
    assert ask(catalog, "cost_by_team", now="2026-01-05", days="1") != ask(catalog, "cost_by_team")
    assert ask(catalog, "cost_by_team", now="1999-01-05T00:00:00Z", days="1") != []
    assert ask(catalog, "cost_by_team", now="2999-01-05T00:00:00+01:00") == []


@pytest.mark.parametrize(
    ("given", "code"),
    [({"day": "3"}, "unknown_parameter"), ({"days": "three"}, "bad_parameter"), ({"now": "soon"}, "bad_parameter")],
)
def test_what_is_wrong_with_a_parameter(catalog: Catalog, given: dict[str, str], code: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(catalog, "cost_by_team", **given)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_value_is_a_value_whatever_it_looks_like(catalog: Catalog) -> None:
    assert ask(catalog, "spot_savings", team="'; DROP TABLE sweeps; --") == []


def test_a_name_that_is_none() -> None:
    with pytest.raises(UserError, match="no question") as caught:
        find_question("savings")
    assert "spot_savings" in caught.value.hint
    assert find_question("Spot-Savings").name == "spot_savings"


def test_a_type_that_is_not_held(tmp_path: Path) -> None:
    with open_reading(write_sample_catalog(tmp_path / "c.duckdb").path) as opened:
        with pytest.raises(UserError, match="aws_sagemaker_model") as caught:
            answer(opened, QUESTIONS["orphan_models"], {})
        assert caught.value.code == "type_not_held"
        assert "stocktake sync --type aws_sagemaker_model" in caught.value.hint


def test_a_file_says_what_it_uses() -> None:
    question = parse_question("x", HEAD + "-- param: top integer 5 | Rows\nSELECT $top")
    assert question.parameters[0].default == "5"
    with pytest.raises(ValueError, match="uses"):
        parse_question("x", HEAD + "SELECT $top")
    with pytest.raises(ValueError, match="parameter"):
        parse_question("x", HEAD + "-- param: top five\nSELECT 1")
