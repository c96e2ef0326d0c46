"""What judging says: verdicts where something is missing, exceptions, scores, history, and the forms of reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from policy_rows import write_documents
from small_types import thing_type
from stocktake.core.errors import UserError
from stocktake.policies.exceptions import read_exceptions
from stocktake.policies.history import read_episodes
from stocktake.policies.judging import Report, judge
from stocktake.policies.packs import read_packs
from stocktake.policies.reports import to_junit, to_sarif
from stocktake.policies.rules import Pack, parse_pack
from stocktake.policies.scores import score_by
from stocktake.query.connection import open_reading
from stocktake.resource_types.spec import Facet, Field, Kind, ResourceType, ValueType
from thing_sweeps import ACCOUNT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EITHER = (
    '{attribute = "part.color", operator = "matches", value = "^b"}, '
    '{attribute = "part.size", operator = "at_least", value = 9}'
)
RULE = 'type = "aws_test_thing"\nwhy = "w"\nremedy = "r"\nsource = "s"\n'


def pack(*conditions: str, severity: str = "high", **more: str) -> Pack:
    """Return a pack with a rule for each condition, called r1 and so on."""
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    rules = "".join(
        f'[[rule]]\nid = "r{number}"\ntitle = "t"\nseverity = "{severity}"\n{RULE}{extra}{condition}\n'
        for number, condition in enumerate(conditions, 1)
    )
    return parse_pack("mine", rules, "mine.toml")


def judged(path: Path, of: Pack, **options: Any) -> Report:
    with open_reading(path) as catalog:
        return judge(catalog, [of], of.rules, NOW, with_not_judged=True, **options)


def verdicts(report: Report, rule: str = "r1") -> dict[str, str]:
    """Return the verdict on each resource that did not pass."""
    return {
        one.resource: "excepted" if one.exception else "fail" if one.is_judged else "not judged"
        for one in report.findings
        if one.rule.id == rule
    }


@pytest.fixture
def things(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.duckdb"
    records: dict[str, dict[str, Any]] = {
        "red": {"name": "red", "part": {"color": "red", "size": 3}, "state": "Done", "tags": ["team:a", "env:prod"]},
        "blue": {"name": "blue", "part": {"color": "blue", "size": 9}, "state": "On", "tags": ["team:b", "env:play"]},
        "bare": {"name": "bare", "tags": []},
        "unread": {"name": "unread", "part": {"size": 9}},
    }
    write_documents(path, thing_type(), records, NOW - timedelta(days=3))
    return path


@pytest.mark.parametrize(
    ("condition", "want"),
    [
        ("violates = \"part.color = 'red'\"", {"red": "fail", "bare": "not judged", "unread": "not judged"}),
        ("search = 'part.color:red'", {"red": "fail", "bare": "not judged", "unread": "not judged"}),
        ("search = '-part.color:red'", {"blue": "fail", "bare": "not judged", "unread": "not judged"}),
        ("search = 'part.color:red OR state:On'",
         {"red": "fail", "blue": "fail", "bare": "not judged", "unread": "not judged"}),
        ("search = '-part.color:*'", {"bare": "fail", "unread": "fail"}),
        ("search = 'part.size:>5'", {"blue": "fail", "unread": "fail", "bare": "not judged"}),
        ('require = [{attribute = "part.color", operator = "equals", value = "blue"}]',
         {"red": "fail", "bare": "not judged", "unread": "not judged"}),
        ('require = [{attribute = "part.color", operator = "equals", value = "blue", missing = "fail"}]',
         {"red": "fail", "bare": "fail", "unread": "fail"}),
        ('require = [{attribute = "part.color", operator = "in", value = ["blue"], missing = "pass"}]',
         {"red": "fail"}),
        (f"require = {{any = [{EITHER}]}}", {"red": "fail", "bare": "not judged"}),
        ('require = [{attribute = "part.color", operator = "exists"}]', {"bare": "fail", "unread": "fail"}),
        ('tags = {required = ["team"], allowed = {env = ["prod"]}}',
         {"blue": "fail", "bare": "fail", "unread": "not judged"}),
    ],
)  # fmt: skip
def test_what_is_missing_is_not_judged(things: Path, condition: str, want: dict[str, str]) -> None:
    report = judged(things, pack(condition))
    assert verdicts(report) == want
    passed = sum(one.passed for one in report.tallies.values())
    assert passed + len(want) == report.resources == 4


def test_when_says_what_a_rule_is_about(things: Path) -> None:
    report = judged(things, pack('violates = "part.size > 5"\nwhen = "state = \'On\'"'))
    assert verdicts(report) == {"blue": "fail"}
    assert sum(one.passed + one.not_judged for one in report.tallies.values()) == 0


def with_facet() -> ResourceType:
    plain = thing_type(Field("policy", ValueType(Kind.STRING), "GetPolicy", "GetPolicy"))
    facet = Facet("policy", "GetPolicy", {"Name": ("Name",)}, ("Policy",), iam_action="test:GetPolicy")
    return replace(plain, facets=(facet,))


def test_a_facet_that_nobody_could_read_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    records = {"denied": {"name": "denied"}, "none": {"name": "none"}, "some": {"name": "some", "policy": "{}"}}
    write_documents(path, with_facet(), records, NOW, unknown_facets={"denied": ["policy"]})
    report = judged(path, pack('violates = "policy IS NOT NULL"', 'violates = "policy IS NULL"'))
    assert verdicts(report, "r1") == {"denied": "not judged", "some": "fail"}
    assert verdicts(report, "r2") == {"denied": "not judged", "none": "fail"}


def test_in_a_scope_that_was_not_read_nothing_passes(things: Path) -> None:
    write_documents(things, thing_type(), {}, NOW - timedelta(days=1), status="denied")
    report = judged(things, pack("violates = \"part.color = 'red'\""))
    assert verdicts(report) == {"red": "fail", "blue": "not judged", "bare": "not judged", "unread": "not judged"}
    assert [(one[0], one[3]) for one in report.unread] == [("aws_test_thing", "denied")]


def test_a_rule_that_needs_another_type_waits_for_it(things: Path) -> None:
    condition = 'scope = "join"\nneeds = ["aws_test_other"]\nviolates = "EXISTS (FROM aws_test_other)"'
    report = judged(things, pack(condition, 'violates = "true"'))
    assert report.cannot == {"r1": "aws_test_other is not held"}
    assert len(verdicts(report, "r2")) == 4


def test_a_rule_of_a_file_that_does_not_fit_is_an_error_one_of_ours_is_not_judged(things: Path) -> None:
    wrong = pack('violates = "no_such_field = 1"', 'violates = "true"')
    with pytest.raises(UserError, match="r1") as caught:
        judged(things, wrong)
    assert (caught.value.code, caught.value.where) == ("policy_condition", "r1")
    report = judged(things, replace(wrong, is_own=True))
    assert set(report.cannot) == {"r1"}
    assert len(verdicts(report, "r2")) == 4


def test_exceptions_hold_until_their_day(things: Path, tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(
        '[[exception]]\nrule = "r*"\nresource = "red"\nreason = "wanted"\nexpires = 2026-03-02\n'
        '[[exception]]\nrule = "r1"\nresource = "blue"\nreason = "was wanted"\nexpires = 2026-03-01\n'
    )
    report = judged(things, pack('violates = "part.size > 0"'), exceptions=read_exceptions(file))
    assert verdicts(report) == {"red": "excepted", "blue": "fail", "unread": "fail", "bare": "not judged"}
    assert [one.expires for one in report.expired] == [date(2026, 3, 1)]
    assert sum(one.excepted for one in report.tallies.values()) == 1
    [score] = score_by(report, "policy")
    assert (score.tally.failed, score.tally.excepted, score.percent) == (2, 1, 0.0)


@pytest.mark.parametrize("entry", ['rule = "r"\nexpires = 2026-01-01', 'rule = "r"\nreason = "x"', "x = 1"])
def test_an_exception_without_reason_or_day_is_refused(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(f"[[exception]]\n{entry}\n")
    with pytest.raises(UserError) as caught:
        read_exceptions(file)
    assert caught.value.code == "bad_exceptions"


def test_scores_weigh_by_severity(things: Path) -> None:
    rules = ((1, "low", "part.color = 'red'"), (2, "high", "state = 'On'"))
    text = "".join(
        f'[[rule]]\nid = "r{number}"\ntitle = "t"\nseverity = "{severity}"\n{RULE}violates = "{condition}"\n'
        for number, severity, condition in rules
    )
    report = judged(things, parse_pack("mine", text, "mine.toml"))
    assert {one.name: one.percent for one in score_by(report, "owner")} == {"a": 83.3, "b": 16.7, "": None}
    assert [(one.name, one.percent) for one in score_by(report, "account")] == [(ACCOUNT, 50.0)]
    assert [one.percent for one in score_by(report, "policy")] == [50.0, 50.0]


def test_findings_open_and_close_with_the_versions(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    days = [NOW - timedelta(days=number) for number in (9, 8, 7, 6, 5)]
    states = [("small", 1), ("large", 7), ("larger", 8), ("small again", 2)]
    for day, (name, size) in zip(days, states, strict=False):
        write_documents(
            path,
            thing_type(),
            {"a": {"name": name, "part": {"size": size}}, "b": {"name": "b", "part": {"size": 9}}},
            day,
        )
    write_documents(path, thing_type(), {"a": {"name": "a", "part": {"size": 6}}}, days[4])
    of = pack('violates = "part.size > 5"')
    with open_reading(path) as catalog:
        found = list(read_episodes(catalog, [of], of.rules, NOW))
    times = [(one.resource, one.ended, one.opened_at, one.closed_at, one.versions) for one in found]
    plain = [day.replace(tzinfo=None) for day in days]
    assert times == [
        ("a", "fixed", plain[1], plain[3], 2),
        ("a", "open", plain[4], None, 1),
        ("b", "deleted", plain[0], plain[4], 4),
    ]
    assert [one.opened_by_sweep for one in found] == [2, 5, 1]


def test_a_rule_on_history_sees_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    for days, state in ((3, "Done"), (2, "On"), (1, "Done")):
        write_documents(
            path,
            thing_type(),
            {"a": {"name": "a", "state": state}, "b": {"name": "b", "state": "Done"}},
            NOW - timedelta(days=days),
        )
    report = judged(path, pack("violates = \"before.state = 'Done' AND state <> 'Done'\"\nscope = \"history\""))
    assert verdicts(report) == {"a": "fail"}


def test_reports_are_what_their_readers_take(things: Path) -> None:
    report = judged(things, pack("violates = \"part.color = 'red'\"", 'violates = "false"'))
    log = to_sarif(report)
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "stocktake"
    assert [one["id"] for one in driver["rules"]] == ["r1", "r2"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert (result["kind"] == "fail") or (result["level"] == "none")
        assert result["message"]["text"]
        [place] = result["locations"]
        assert " " not in place["physicalLocation"]["artifactLocation"]["uri"]
        assert place["logicalLocations"][0]["fullyQualifiedName"]
    root = ET.fromstring(to_junit(report))  # noqa: S314 - our own text
    [suite] = root
    assert (root.tag, suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("testsuites", "2", "1", "0")
    [failure] = suite.findall("testcase/failure")
    assert "red" in str(failure.text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[rule]]", "id"),
        ("x = 1", "no key 'x'"),
        ("not toml", "TOML|Expected"),
        ('[[rule]]\nid = "a"\ntitle = "t"\nseverity = "high"\n' + RULE, "0 conditions"),
        ('[[rule]]\nid = "a"\ntitle = "t"\nseverity = "awful"\nviolates = "true"\n' + RULE, "awful"),
        ('[[rule]]\nid = "a"\ntitle = "t"\nseverity = "high"\nviolates = "true"\nnope = 1\n' + RULE, "nope"),
        ('[[rule]]\nid = "a"\ntitle = "t"\nseverity = "high"\nrequire = [{attribute = "x"}]\n' + RULE, "test"),
        ('[[rule]]\nid = "a"\ntitle = "t"\nseverity = "high"\ntags = {}\n' + RULE, "tags"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=what) as caught:
        read_packs([file])
    assert caught.value.code == "bad_policy"
    assert str(file) in caught.value.where
