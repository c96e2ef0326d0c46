"""`stocktake listen`: read again what events say has changed."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stocktake.serve.cli.account_options import account_options, collect_request, limit_options
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option, models_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.core.settings import Settings
    from stocktake.events.listener import ListenReport
    from stocktake.serve.cli.invocation import Invocation

_KEPT = "what was committed stays in the catalog; messages that were in hand come again"
_TOLD_EVERY_SECONDS = 2.0
_REASONS_SHOWN = 10


@click.command("listen", short_help="Read again what the events in a queue say has changed.")
@click.option("--queue", metavar="URL", required=True, help="The URL of the SQS queue that EventBridge sends to.")
@click.option("--queue-region", metavar="REGION", help="The queue's region, where its URL does not say it.")
@click.option("--queue-profile", metavar="PROFILE", help="The profile that may read the queue. Default: --profile.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=complete_type,
    help="Follow this type or service even where no sync has read it; repeat for more. Default: what syncs have read.",
)
@click.option("--region", "regions", multiple=True, metavar="REGION", help="Follow only this region; repeat for more.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="PROFILE",
    help="A profile that may read what changed; repeat for more accounts.",
)
@account_options
@click.option("--endpoint-url", metavar="URL", help="Read resources from this endpoint and no other.")
@click.option("--once", is_flag=True, help="End when the queue is empty.")
@click.option(
    "--max-messages", type=click.IntRange(min=1), metavar="NUMBER", help="End after so many messages, or a few more."
)
@click.option(
    "--notices",
    "notices_file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Tell what is new each time, as `stocktake notify` does.",
)
@limit_options
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="The form of the summary at the end.",
)
@models_option
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    *,
    queue: str,
    queue_region: str | None,
    queue_profile: str | None,
    types: tuple[str, ...],
    regions: tuple[str, ...],
    profiles: tuple[str, ...],
    once: bool,
    max_messages: int | None,
    notices_file: Path | None,
    limits: tuple[str, ...],
    timeout_seconds: float,
    form: str,
    **who: Any,  # noqa: ANN401 - more options, which `collect_request` takes as they are
) -> int:
    """Read again what the events in a queue say has changed.

    EventBridge sends events to the queue: state changes, calls that CloudTrail records, changes that AWS Config
    records. Each only tells which resource to read again; order and repetition do not matter, and a message is
    deleted once what it names is committed. Runs until it is stopped (Ctrl-C, SIGTERM), beside other syncs.

    What events do not tell, the next sync finds: a lost queue costs freshness, nothing else.
    """
    # Imported here: botocore, pyarrow and the database's driver take 450 ms, which --help need not wait for.
    from stocktake.events.listener import ListenRequest, listen

    settings = invocation.settings()
    collect = collect_request(
        settings,
        types=types,
        regions=regions,
        profiles=profiles,
        limits=limits,
        timeout_seconds=timeout_seconds,
        **who,
    )
    invocation.kept = _KEPT
    request = ListenRequest(queue, collect, queue_profile, queue_region, once=once, most_messages=max_messages)
    concluded = _notifying(notices_file, settings) if notices_file is not None else None
    report = listen(request, _Telling(), concluded=concluded)
    if form == "json":
        from stocktake.serve.telling.values import to_json

        click.echo(to_json(report_document(report), indent=True))
    else:
        click.echo(_line(report))
    for reason, count in report.left.most_common(_REASONS_SHOWN):
        click.echo(f"{count:,} times: {reason}", err=True)
    return report.exit_code


def _notifying(file: Path, settings: Settings) -> Callable[[], None]:
    """Return what tells what is new; a channel that fails does not end the listening."""
    from stocktake.core.clock import SystemClock
    from stocktake.core.errors import StocktakeError
    from stocktake.notices.config import read_config
    from stocktake.notices.telling import Telling, notify
    from stocktake.policies.packs import read_packs

    telling = Telling(
        settings.catalog, read_config(file), read_packs(), lock_wait_seconds=max(settings.lock_wait_seconds, 60.0)
    )

    def tell() -> None:
        try:
            problems = notify(telling, SystemClock().now()).problems
        except StocktakeError as error:
            problems = {"not told": f"{error.message} {error.hint}"}
        for channel, problem in problems.items():
            click.echo(f"{channel}: {problem}", err=True)

    return tell


class _Telling:
    """Tells from time to time how far it is."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, report: ListenReport) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TOLD_EVERY_SECONDS:
            self._told_at = now
            click.echo(_line(report), err=True)


def _line(report: ListenReport) -> str:
    fates = ", ".join(f"{count:,} {fate}" for fate, count in report.fates.most_common())
    poison = f", {report.poison:,} are no events and kept aside" if report.poison else ""
    return (
        f"{report.messages:,} messages{poison}; resources: {fates or 'none'}, {report.coalesced:,} times named again; "
        f"{report.new:,} new, {report.changed:,} changed, {report.deleted:,} deleted; {report.calls:,} calls"
    )


def report_document(report: ListenReport) -> dict[str, object]:
    """Return what `listen -o json` prints."""
    fates = {str(fate.value): count for fate, count in report.fates.items()}
    return dataclasses.asdict(report) | {"fates": fates, "left": dict(report.left)}
