"""What pages are given: pure functions from answers to what templates show."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from stocktake.insights.job_report import JobReport, Phase
from stocktake.insights.metric_runs import MetricRun
from stocktake.policies.history import Episode
from stocktake.policies.packs import own_packs
from stocktake.query.changes import ChangeCount
from stocktake.query.resources import Resource, Version
from stocktake.serve.web.views.changes import counts_view
from stocktake.serve.web.views.job import gantt_of_two, limit_rows, metric_pictures, money_view, phases_picture
from stocktake.serve.web.views.policies import open_picture

NOON = datetime(2026, 3, 2, 12)  # noqa: DTZ001 - naive UTC, as the catalog keeps times
HOUR = timedelta(hours=1)


def version(seen: datetime, *metrics: tuple[str, datetime, float]) -> Version:
    told = [{"metric_name": name, "timestamp": at, "value": value} for name, at, value in metrics]
    return Version(seen, None, False, None, 1, None, {"final_metric_data_list": told}, None, ())


def resource(*versions: Version) -> Resource:
    return Resource("arn:job", "aws_sagemaker_trainingjob", "1", "us-east-1", versions, None)


def report(**derived: Any) -> JobReport:
    facet = {"name": "j", "type": "t", "id": "arn:job", "created_at": NOON, "state": "running"}
    phases = (Phase("starting", NOON, NOON + HOUR), Phase("training", NOON + HOUR, None))
    return JobReport(facet, derived, {}, phases)


def points(picture: str) -> list[str]:
    return re.findall(r"<circle[^>]*>", picture)


def test_a_metric_that_was_seen_moving_is_a_curve_over_time() -> None:
    looks = [version(NOON + n * HOUR, ("auc", NOON + n * HOUR, n / 10)) for n in range(3)]
    # The same value seen twice is one point.
    [one] = metric_pictures(resource(*looks, looks[-1]), [], "arn:job")
    assert len(points(one["picture"])) == 3
    assert one["last"] == 0.2
    assert "as the job went on" in one["title"]


def test_a_metric_that_was_seen_once_stands_among_the_runs_of_its_like() -> None:
    runs = [MetricRun(f"arn:{n}", f"run-{n}", NOON, {"auc": n / 10}) for n in range(4)]
    runs.append(MetricRun("arn:job", "j", NOON, {"auc": 0.9}))
    found = resource(version(NOON, ("auc", NOON, 0.9), ("alone", NOON, 1.0)))
    [one] = metric_pictures(found, runs, "arn:job")
    assert len(points(one["picture"])) == 5
    assert sum(" this" in point for point in points(one["picture"])) == 1
    assert metric_pictures(found, [], "arn:job") == []


def test_a_job_that_goes_on_shows_now_and_the_end() -> None:
    going = report(ends_by=NOON + 4 * HOUR)
    picture = phases_picture(going, NOON + 2 * HOUR)
    assert "must end" in picture
    assert "goes-on" in picture
    [limit] = limit_rows(going, NOON + 2 * HOUR)
    assert limit["says"] == "2 h left"
    assert limit_rows(going, NOON + 5 * HOUR)[0]["says"] == "over"


def test_two_jobs_begin_at_the_same_place() -> None:
    later = replace(report(), phases=(Phase("starting", NOON + 9 * HOUR, NOON + 10 * HOUR),))
    picture = gantt_of_two(report(), later, NOON + 2 * HOUR)
    starts = [float(x) for x in re.findall(r'class="bar[^"]*" x="([\d.]+)%"', picture)]
    assert starts == [0, 50, 0]
    assert "1 h" in picture


def test_savings_are_worth_what_the_hours_would_have_cost() -> None:
    bill = {"what": "training", "instance_seconds": 3_600, "cost": 2.0, "currency": "USD"}
    of_spot = replace(
        report(spot_saved_instance_seconds=7_200, spot_savings_pct=66.7),
        fields={"enable_managed_spot_training": True},
        bills=(bill,),
    )
    money = money_view(of_spot)
    assert (money["cost"], money["saved_hours"], money["saved_cost"]) == (2.0, 2.0, 4.0)
    assert money_view(replace(of_spot, fields={}))["savings_pct"] is None


def test_changes_are_counted_along_the_time() -> None:
    counted = [ChangeCount(2, NOON, "created", "a", 3), ChangeCount(1, NOON - 2 * HOUR, "updated", "b", 5)]
    view = counts_view(counted, NOON - timedelta(days=3_650), NOON + HOUR)
    assert view["total"] == 8
    assert view["kinds"] == [("created", 3), ("updated", 5), ("deleted", 0)]
    assert [one["type"] for one in view["types"]] == ["b", "a"]
    assert len(re.findall(r'<g class="column"', view["picture"])) <= 60
    assert "3 created" in view["picture"]


def test_open_findings_are_counted_at_every_moment() -> None:
    rule = own_packs()[0].rules[0]

    def episode(opened: datetime, closed: datetime | None) -> Episode:
        return Episode(rule, "r", "1", "us-east-1", None, opened, 1, closed, 2 if closed else None, "open", 1)

    some = [episode(NOON, NOON + HOUR), episode(NOON, None), episode(NOON + HOUR, None)]
    picture = open_picture(rule, some, NOON + 5 * HOUR)
    assert "2 are open now, 2 at most" in picture
    assert open_picture(rule, [], NOON) == ""
