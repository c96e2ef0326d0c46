"""`stocktake policy`: rules that judge resources of any type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stocktake.serve.cli.destination import choose_destination, output_options
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stocktake.policies.judging import Report
    from stocktake.policies.rules import Pack, Rule
    from stocktake.query.result import Result
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.invocation import Invocation

_SEVERITIES = ("info", "low", "medium", "high", "critical")
BROKEN = 9
"""The exit code where a rule that counts is broken."""


def _rule_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that pick rules."""
    options = (
        click.option("--policies", "paths", multiple=True, metavar="PATH", help="A file of rules, or a folder of them.",
                     type=click.Path(path_type=Path, exists=True)),
        click.option("--only-given", is_flag=True, help="Leave out the rules that come with Stocktake."),
        click.option("--pack", "packs", multiple=True, metavar="PACK", help="Rules of this pack only."),
        click.option("--policy", "ids", multiple=True, metavar="ID", help="This rule only; * stands for anything."),
        click.option("--type", "types", multiple=True, shell_complete=complete_type, metavar="TYPE",
                     help="Rules about this type only."),
        click.option("--severity", type=click.Choice(_SEVERITIES), default="info", show_default=True,
                     help="Rules of at least this severity."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.group("policy", short_help="Judge resources of any type by rules.")
@debug_option
def command() -> None:
    """Judge resources of any type by rules.

    139 rules for training jobs and templates for many other types come along; docs/policies.md says how to write one.
    """


@command.command("list", short_help="List the rules.")
@_rule_options
@output_options("table", "json", "ndjson", "csv", "md")
@debug_option
def list_rules(form: str | None, file: Path | None, **picked: Any) -> None:  # noqa: ANN401 - click's own
    """List the rules, by pack and type."""
    from stocktake.serve.cli.rows import write_rows

    _, rules = _pick(**picked)
    rows = [(rule.severity, rule.id, rule.title, rule.type, rule.pack, rule.scope) for rule in rules]
    write_rows(_result(("severity", "policy", "title", "type", "pack", "scope"), rows), choose_destination(form, file))


@command.command("show", short_help="Show a rule whole.")
@click.argument("policy")
@click.option("--policies", "paths", multiple=True, metavar="PATH", help="A file of rules, or a folder of them.",
              type=click.Path(path_type=Path, exists=True))  # fmt: skip
@output_options("table", "json", "ndjson", "csv", "md")
@debug_option
def show(policy: str, *, paths: tuple[Path, ...], form: str | None, file: Path | None) -> None:
    """Show a rule whole: what it asks, why, what to do, and its source."""
    from stocktake.serve.cli.rows import write_rows

    _, rules = _pick(paths=paths, ids=(policy,))
    keys = ("id", "title", "type", "severity", "kind", "pack", "scope", "when", "form", "condition", "needs", "owner",
            "why", "remedy", "source")  # fmt: skip
    rows = [(key, _text(getattr(rule, key))) for rule in rules for key in keys if getattr(rule, key)]
    write_rows(_result(("key", "value"), rows), choose_destination(form, file), max_rows=0)


@command.command("check", short_help="Judge what the catalog holds.")
@_rule_options
@click.option("--exceptions", "exceptions_file", metavar="FILE", help="Findings that somebody answers for.",
              type=click.Path(path_type=Path, exists=True, dir_okay=False))  # fmt: skip
@click.option("--by", type=click.Choice(("finding", "policy", "pack", "owner", "account")), default="finding",
              show_default=True, help="List findings, or the scores of these.")  # fmt: skip
@click.option("--not-judged", "with_not_judged", is_flag=True, help="List what could not be judged, too.")
@click.option("--fail-on", type=click.Choice((*_SEVERITIES, "never")), default="high", show_default=True,
              help="Exit with 9 where an open finding is at least so severe.")  # fmt: skip
@click.option("--fail-on-not-judged", is_flag=True, help="Exit with 9 where something could not be judged, too.")
@output_options("table", "json", "ndjson", "csv", "md", "sarif", "junit")
@catalog_option
@debug_option
@click.pass_obj
def check(
    invocation: Invocation,
    /,
    *,
    exceptions_file: Path | None,
    by: str,
    with_not_judged: bool,
    fail_on: str,
    fail_on_not_judged: bool,
    form: str | None,
    file: Path | None,
    **picked: Any,  # noqa: ANN401 - click's own
) -> int:
    """Judge what the catalog holds: each finding with why it matters and what to do.

    A resource of which an input is missing is not judged, and never passes. Exit code 9: there are open findings at
    least as severe as --fail-on.
    """
    from stocktake.core.clock import SystemClock
    from stocktake.policies.exceptions import read_exceptions
    from stocktake.policies.judging import judge
    from stocktake.query.connection import open_reading

    destination = choose_destination(form, file)
    packs, rules = _pick(**picked)
    exceptions = read_exceptions(exceptions_file) if exceptions_file else ()
    settings = invocation.settings()
    now = SystemClock().now()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        report = judge(catalog, packs, rules, now, exceptions, with_not_judged=with_not_judged)
    _write(report, by, destination)
    _tell(report)
    severe = fail_on != "never" and any(one.rule.rank >= _SEVERITIES.index(fail_on) for one in report.open_findings())
    unjudged = bool(report.cannot or report.unread) or any(one.not_judged for one in report.tallies.values())
    return BROKEN if severe or (fail_on_not_judged and unjudged) else 0


@command.command("history", short_help="Tell when findings opened and closed.")
@_rule_options
@click.option("--resource", metavar="ID", default="", help="Of this resource only.")
@click.option("--open", "only_open", is_flag=True, help="Only those that are still open.")
@output_options("table", "json", "ndjson", "csv", "md")
@catalog_option
@debug_option
@click.pass_obj
def history(
    invocation: Invocation,
    /,
    *,
    resource: str,
    only_open: bool,
    form: str | None,
    file: Path | None,
    **picked: Any,  # noqa: ANN401 - click's own
) -> None:
    """Tell when findings opened and closed, and by which sweep's version; judged by the rules as they are now."""
    from stocktake.core.clock import SystemClock
    from stocktake.policies.history import read_episodes
    from stocktake.query.connection import open_reading
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    packs, rules = _pick(**picked)
    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        rows = [
            (one.rule.severity, one.rule.id, one.resource, one.account, one.region, one.owner, one.ended,
             one.opened_at, one.opened_by_sweep, one.closed_at, one.closed_by_sweep, one.versions)
            for one in read_episodes(catalog, packs, rules, SystemClock().now())
            if (not resource or one.resource == resource) and (not only_open or one.ended == "open")
        ]  # fmt: skip
    names = ("severity", "policy", "resource", "account_id", "region", "owner", "status", "opened_at",
             "opened_by_sweep", "closed_at", "closed_by_sweep", "versions")  # fmt: skip
    write_rows(_result(names, rows), destination)


@command.command("test", short_help="Try rules without an estate.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@output_options("table", "json", "ndjson", "csv", "md")
@debug_option
def test(files: tuple[Path, ...], *, form: str | None, file: Path | None) -> int:
    """Try rules: whether each is a condition of its type, and what it says of its `bad` and its `good` example.

    FILES are files of rules, or folders of them; without any, the rules that come with Stocktake. No catalog is
    needed. Exit code 9: a rule is not as it should be.
    """
    from stocktake.core.clock import SystemClock
    from stocktake.policies.packs import pick_rules, read_packs
    from stocktake.policies.trials import try_rules
    from stocktake.serve.cli.rows import write_rows

    destination = choose_destination(form, file)
    packs = read_packs(files, with_own=not files)
    trials = list(try_rules(packs, pick_rules(packs), SystemClock().now()))
    rows = [(one.rule.id, one.rule.type, one.outcome, one.examples) for one in trials]
    write_rows(_result(("policy", "type", "outcome", "examples"), rows), destination, max_rows=0)
    return BROKEN if any(one.outcome != "ok" for one in trials) else 0


def _pick(
    *,
    paths: tuple[Path, ...] = (),
    only_given: bool = False,
    packs: tuple[str, ...] = (),
    ids: tuple[str, ...] = (),
    types: tuple[str, ...] = (),
    severity: str = "info",
) -> tuple[Sequence[Pack], list[Rule]]:
    from stocktake.policies.packs import pick_rules, read_packs

    found = read_packs(paths, with_own=not only_given)
    wanted = [name if name.startswith("aws_") else f"aws_{name}" for name in types]
    return found, pick_rules(found, names=packs, ids=ids, types=wanted, severity=severity)


def _write(report: Report, by: str, destination: Destination) -> None:
    from stocktake.policies.reports import finding_row, to_junit, to_sarif
    from stocktake.policies.scores import score_by
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    if destination.form in {"sarif", "junit"}:
        with destination.open() as stream:
            is_sarif = destination.form == "sarif"
            stream.write((to_json(to_sarif(report), indent=True) if is_sarif else to_junit(report)) + b"\n")
        return
    if by != "finding":
        scores = [
            (one.name, one.percent, one.tally.passed, one.tally.failed, one.tally.excepted, one.tally.not_judged)
            for one in score_by(report, by)
        ]
        write_rows(_result((by, "score", "passed", "failed", "excepted", "not_judged"), scores), destination)
        return
    findings = sorted(report.findings, key=lambda one: (not one.is_judged, -one.rule.rank, one.rule.id, one.resource))
    rows = [finding_row(one) for one in findings]
    names = ["status", "severity", "policy", "title", "resource", "account_id", "region", "owner"]
    if destination.form != "table":
        names += ["type", "name", "seen_from", "pack", "why", "remedy", "exception", "expires"]
    write_rows(_result(names, [tuple(row[name] for name in names) for row in rows]), destination)


def _tell(report: Report) -> None:
    """Say on stderr what the rows do not: how much was judged, and what could not be."""
    from stocktake.policies.judging import count_severities

    counted = count_severities(report.open_findings())
    found = ", ".join(f"{counted[one]} {one}" for one in reversed(_SEVERITIES) if counted[one]) or "none"
    unjudged = sum(one.not_judged for one in report.tallies.values())
    click.echo(
        f"{report.resources} resources, {len(report.rules)} rules; open findings: {found}; "
        f"{unjudged} verdicts not judged; {len(report.not_held)} rules about types that are not held",
        err=True,
    )
    for rule, why in sorted(report.cannot.items()):
        click.echo(f"not judged: {rule}: {why}", err=True)
    for type_name, account, region, status in report.unread:
        click.echo(f"not read: {type_name} in {account} {region}: {status}; what is held cannot pass", err=True)
    for one in report.expired:
        click.echo(f"expired on {one.expires}: the exception of {one.rule} for {one.resource}", err=True)


def _result(names: Iterable[str], rows: Sequence[tuple[Any, ...]]) -> Result:
    from stocktake.query.result import Column, Result

    return Result(tuple(Column(name, "VARCHAR") for name in names), [list(rows)])


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    from stocktake.serve.telling.values import to_json

    return to_json(value).decode()
