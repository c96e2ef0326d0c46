"""`stocktake sync`: bring the catalog up to date with the cloud."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import click

from stocktake.serve.cli.account_options import account_options, collect_request, limit_options
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option, models_option
from stocktake.serve.cli.remarks import gap_remarks, scope_name
from stocktake.serve.cli.schedule_options import schedule_options
from stocktake.serve.telling.readable import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from stocktake.serve.cli.invocation import Invocation
    from stocktake.store.ledger import Coverage
    from stocktake.sync import SyncReport

_KEPT = "what was committed before stays in the catalog; the same command goes on from there"


@click.command("sync", short_help="Read the cloud and bring the catalog up to date.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=complete_type,
    help="A type, a service (ec2) or a pattern (aws_ec2_*); repeat for more. Default: all types.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="A region; repeat for more; or all that are open in each account. Default: your own; of an organization, all.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="PROFILE",
    help="A profile of your AWS configuration; repeat for more.",
)
@account_options
@click.option("--endpoint-url", metavar="URL", help="Call this endpoint and no other, such as a simulated cloud.")
@click.option("--full", is_flag=True, help="Read every resource again, whatever the list says.")
@schedule_options
@click.option(
    "--concurrency",
    type=click.IntRange(min=1, max=1_000),
    default=32,
    show_default=True,
    help="How many calls may be under way at once, in one account and region.",
)
@limit_options
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="The form of the summary.",
)
@models_option
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    *,
    types: tuple[str, ...],
    regions: tuple[str, ...],
    profiles: tuple[str, ...],
    endpoint_url: str | None,
    form: str,
    concurrency: int,
    limits: tuple[str, ...],
    timeout_seconds: float,
    full: bool,
    reconcile: bool,
    reconcile_every: timedelta,
    every: timedelta | None,
    runs: int | None,
    **who: Any,  # noqa: ANN401 - more options, which `collect_request` takes as they are
) -> int:
    """Read the cloud and bring the catalog up to date.

    Without --type, every type that the models know is read. Lists and reads each type by its derived plan, with the
    credentials that the AWS CLI would use. What is unchanged costs no call where the list can tell. A scope
    (account, region, type) that cannot be read is a gap: the run goes on, keeps what was known of it, and exits
    with code 3. Where a service does not exist, there is nothing to know: such a scope is told as unsupported, and
    is no gap.

    Each type is read in the cheapest way that is right (see the summary): where states are known to be final, only what
    is new and what may still change; then the whole list is compared at least every --reconcile-every. With --every,
    it runs until it is stopped, and goes on after an error that may pass.

    With --organization, or --account and --assume-role, one process reads many accounts. One that cannot be entered is
    a gap like any other.
    """
    # Imported here: botocore, pyarrow and the database's driver take 450 ms, which --help need not wait for.
    from stocktake.serve.cli.progress import LineProgress, LiveProgress
    from stocktake.sync import run_sync

    if runs is not None and every is None:
        raise click.UsageError("--runs goes with --every.")
    if endpoint_url and profiles:
        raise click.UsageError("--profile and --endpoint-url exclude each other.")
    settings = invocation.settings()
    request = collect_request(
        settings,
        types=types,
        regions=regions,
        profiles=profiles,
        limits=limits,
        timeout_seconds=timeout_seconds,
        full=full,
        reconcile=reconcile,
        reconcile_every=reconcile_every,
        concurrency=concurrency,
        endpoint_url=endpoint_url,
        **who,
    )
    invocation.kept = _KEPT

    def sweep() -> SyncReport:
        with LiveProgress(sys.stderr) if sys.stderr.isatty() else LineProgress(sys.stderr) as progress:
            return run_sync(request, progress)

    if every is None:
        report = sweep()
        _show(report, form)
        return report.exit_code
    return _run_schedule(invocation, sweep, every, runs, form)


def _show(report: SyncReport, form: str) -> None:
    if form == "json":
        from stocktake.serve.telling.values import to_json

        click.echo(to_json(report_document(report), indent=True))
    else:
        print_report(report, sys.stdout, on_terminal=sys.stdout.isatty())


def _run_schedule(
    invocation: Invocation, sweep: Callable[[], SyncReport], every: timedelta, runs: int | None, form: str
) -> int:
    """Sync until it is stopped; return the last sync's exit code."""
    from threading import Event

    from stocktake.serve.cli.problems import render_error
    from stocktake.sync.schedule import run_every

    code = 0
    for outcome in run_every(sweep, every, runs, Event()):
        if outcome.report is not None:
            _show(outcome.report, form)
            code = outcome.report.exit_code
        if outcome.error is not None:
            render_error(outcome.error, invocation)
            code = outcome.error.exit_code
        if outcome.waits:
            click.echo(f"next sync in {outcome.waits.total_seconds():,.0f} s", err=True)
    return code


def report_document(report: SyncReport) -> dict[str, object]:
    """Return what `sync -o json` prints."""
    return {
        "sweep_id": report.sweep_id,
        "status": report.status,
        "calls": report.calls,
        "seconds": round(report.seconds, 3),
        "scopes": [
            dataclasses.asdict(scope) | {"drift": sorted(scope.drift), "unknown_facets": sorted(scope.unknown_facets)}
            for scope in report.scopes
        ],
    }


def print_report(report: SyncReport, stream: IO[str], *, on_terminal: bool) -> None:
    """Print the summary: a line for each scope, then every gap with what to do about it."""
    from stocktake.serve.cli.tables import make_console, make_table
    from stocktake.sync.request import is_whole

    console = make_console(stream, on_terminal=on_terminal)
    is_long = len(report.scopes) > _SCOPES_SHOWN
    shown = [scope for scope in report.scopes if scope.listed or scope.deleted] if is_long else report.scopes
    table = make_table()
    for header in ("type", "account", "region", "status", "read by", *_COUNTS):
        table.add_column(header, justify="right" if header in _COUNTS else "left")
    for scope in shown:
        numbers = [f"{getattr(scope, name):,}" for name in _COUNTS]
        style = None if is_whole(scope) else "yellow"
        table.add_row(scope.type, scope.account_id, scope.region, scope.status, scope.strategy, *numbers, style=style)
    console.print(table)
    if is_long:
        lines = _by_cause(report.scopes, console.width if on_terminal else _LINE_WIDTH)
    else:
        lines = (line for scope in report.scopes for line in _remarks(scope))
    for line in lines:
        console.print(line, soft_wrap=True)
    console.print(
        f"sweep {report.sweep_id}: {report.status}, {count(report.calls, 'call')} in {report.seconds:.1f} s",
        style="bold",
        soft_wrap=True,
    )


_SCOPES_SHOWN = 50
"""Of more, those without resources are only counted, and gaps of the same cause are told together."""
_LINE_WIDTH = 120
_COUNTS = ("listed", "read", "new", "changed", "deleted", "unchanged", "aside", "calls")


def _by_cause(scopes: list[Coverage], width: int) -> Iterator[str]:
    """Yield what `_remarks` would say, the same of many scopes only once, and how many there are of each status."""
    from stocktake.serve.cli.gap_groups import group_by_cause, told

    for scope in scopes:
        yield from _oddities(scope)
    for group in group_by_cause(scopes):
        yield from told(group, scopes, width)
    counted = Counter(scope.status for scope in scopes)
    empty = sum(scope.status == "complete" and not scope.listed for scope in scopes)
    statuses = ", ".join(f"{number:,} {status}" for status, number in counted.most_common())
    yield f"{count(len(scopes), 'scope')}: {statuses}; {empty:,} of the complete ones are empty and not shown"


def _remarks(scope: Coverage) -> Iterator[str]:
    yield from gap_remarks(scope, "gap: ")
    yield from _oddities(scope)


def _oddities(scope: Coverage) -> Iterator[str]:
    name = scope_name(scope)
    if scope.throttled_calls:
        yield f"{name}: {count(scope.throttled_calls, 'call')} throttled, and asked again"
    if scope.drift:
        shown = ", ".join(sorted(scope.drift)[:5]) + (", …" if len(scope.drift) > 5 else "")
        yield f"{name}: {count(len(scope.drift), 'field')} unknown to the model, kept in _unknown: {shown}"
    if scope.unknown_facets:
        yield f"{name}: not read of all, last known values stay: {', '.join(sorted(scope.unknown_facets))}"
    if scope.aside:
        yield f"{name}: {count(scope.aside, 'value')} kept aside: stocktake query 'FROM aside'"
