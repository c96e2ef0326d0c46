"""A report as other programs read it: SARIF for code scanning, JUnit for build servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import stocktake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.policies.judging import Finding, Report
    from stocktake.policies.rules import Rule

_LEVELS = {"info": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
_SECURITY = {"info": "0.0", "low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# What XML 1.0 cannot hold in any form.
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)], "�")


def finding_row(finding: Finding) -> dict[str, Any]:
    """Return a finding as a flat row."""
    rule, exception = finding.rule, finding.exception
    status = "excepted" if exception else "open" if finding.is_judged else "not judged"
    return {
        "status": status, "severity": rule.severity, "policy": rule.id, "title": rule.title, "type": rule.type,
        "resource": finding.resource, "name": finding.name, "account_id": finding.account, "region": finding.region,
        "owner": finding.owner, "seen_from": finding.seen_from, "pack": rule.pack, "why": rule.why,
        "remedy": rule.remedy, "exception": exception.reason if exception else None,
        "expires": exception.expires if exception else None,
    }  # fmt: skip


def to_sarif(report: Report) -> dict[str, Any]:
    """Return the report as a SARIF 2.1.0 log: a rule for each policy, a result for each finding."""
    places = {rule.id: number for number, rule in enumerate(report.rules)}
    driver = {
        "name": "stocktake",
        "version": stocktake.__version__,
        "rules": [_sarif_rule(rule) for rule in report.rules],
    }
    notes = [
        {"level": "warning", "message": {"text": f"{rule}: not judged, since {why}"}}
        for rule, why in sorted(report.cannot.items())
    ]
    notes += [
        {"level": "warning", "message": {"text": f"{type_} in {account} {region}: {status}"}}
        for type_, account, region, status in report.unread
    ]
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": notes}
    results = [_sarif_result(one, places[one.rule.id]) for one in report.findings]
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.remedy} Source: {rule.source}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"security-severity": _SECURITY[rule.severity], "tags": [rule.type, rule.pack]},
    }


def _sarif_result(finding: Finding, place: int) -> dict[str, Any]:
    uri = f"resources/{finding.rule.type}/{finding.account}/{finding.region}/{finding.name}".replace(" ", "%20")
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": place,
        "level": _LEVELS[finding.rule.severity],
        "kind": "fail",
        "message": {"text": f"{finding.rule.title}: not so for {finding.resource}. {finding.rule.remedy}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": finding.resource, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"policyAndResource/v1": f"{finding.rule.id}|{finding.account}|{finding.resource}"},
    }
    if not finding.is_judged:
        # SARIF allows no level but none where nothing failed.
        result |= {"kind": "review", "level": "none", "message": {"text": f"{finding.rule.title}: not judged."}}
    if finding.exception is not None:
        exception = finding.exception
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": f"{exception.reason} (to {exception.expires})"}
        ]
    return result


def to_junit(report: Report) -> bytes:
    """Return the report as JUnit XML: a suite for each type, a case for each policy, which lists what breaks it."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.rule.id, []).append(finding)
    root = ET.Element("testsuites", name="stocktake")
    by_type: dict[str, list[Rule]] = {}
    for rule in report.rules:
        by_type.setdefault(rule.type, []).append(rule)
    totals: dict[str, list[int]] = {}
    for (rule_id, *_), tally in report.tallies.items():
        counts = totals.setdefault(rule_id, [0, 0])
        counts[0] += tally.passed + tally.failed
        counts[1] += tally.not_judged
    for type_name, rules in by_type.items():
        suite = ET.SubElement(root, "testsuite", name=type_name)
        kinds = [_junit_case(suite, rule, found.get(rule.id, []), totals, report.cannot) for rule in rules]
        suite.set("tests", str(len(rules)))
        suite.set("failures", str(kinds.count("failure")))
        suite.set("skipped", str(kinds.count("skipped")))
        suite.set("errors", "0")
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _junit_case(
    suite: ET.Element,
    rule: Rule,
    findings: list[Finding],
    totals: Mapping[str, list[int]],
    cannot: Mapping[str, str],
) -> str:
    case = ET.SubElement(suite, "testcase", classname=rule.type, name=f"{rule.id} {rule.title}")
    broken = [one for one in findings if one.is_judged and one.exception is None]
    judged, unjudged = totals.get(rule.id, [0, 0])
    if broken:
        failure = ET.SubElement(case, "failure", type=rule.severity, message=f"{len(broken)} resources")
        failure.text = "\n".join([*(one.resource for one in broken), rule.remedy]).translate(_NOT_IN_XML)
        return "failure"
    if rule.id in cannot or (unjudged and not judged):
        why = cannot.get(rule.id, f"{unjudged} resources could not be judged")
        ET.SubElement(case, "skipped", message=why.translate(_NOT_IN_XML))
        return "skipped"
    if unjudged:
        ET.SubElement(case, "system-out").text = f"{unjudged} resources could not be judged"
    return ""
