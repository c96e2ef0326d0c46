"""`stocktake demo`: a simulated cloud, synced twice, and five questions answered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stocktake.core.errors import CatalogAccessError, CatalogTooNewError, UserError
from stocktake.serve.cli.options import catalog_option, debug_option
from stocktake.serve.telling.readable import count

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from stocktake.serve.cli.invocation import Invocation
    from stocktake.sync import SyncReport, SyncRequest

_TYPE = "aws_sagemaker_trainingjob"
_REGIONS = ("us-east-1", "eu-west-1")
_HOURS_BETWEEN = 3
_QUESTIONS = ("cost_by_team", "spot_savings", "failures_by_class", "queue_time", "what_changed")
_FILE = "demo.duckdb"
_TOUR_SPEED = 60.0
_OTHER_FORMATS = frozenset({"catalog_too_old", "catalog_too_new"})
_BESIDE = (".wal", ".audit.ndjson", ".server.sqlite", ".server.sqlite-wal", ".server.sqlite-shm")
_KEPT = "the demo's catalog is a file of its own; yours was not touched"


@click.command("demo", short_help="Try it all on a simulated cloud, without an account.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1_000_000),
    default=5_000,
    show_default=True,
    help="How many training jobs to begin with.",
)
@click.option("--accounts", type=click.IntRange(1, 20), default=2, show_default=True, help="In how many accounts.")
@click.option(
    "--speed",
    type=click.FloatRange(0, 100_000),
    help="Virtual seconds that pass in a second; 0 stands still. Default: 60, with --serve 1.",
)
@click.option("--serve", is_flag=True, help="Open the catalog in the browser, while jobs go on and syncs follow them.")
@click.option("--cloud-only", is_flag=True, help="Only serve the simulated cloud, for clients of your own.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="The port to serve on: of the catalog with --serve, else of the cloud. Default: a free one.",
)
@catalog_option
@debug_option
@click.pass_obj
def command(
    invocation: Invocation,
    jobs: int,
    accounts: int,
    speed: float | None,
    port: int,
    *,
    serve: bool,
    cloud_only: bool,
) -> int:
    """Try it all on a simulated cloud, without an account.

    Starts a cloud on this machine with thousands of training jobs, syncs them while some still run, lets three hours
    pass, syncs again, and answers five questions from the catalog. Prices in it are invented. The catalog is a file of
    its own, made anew each time: `demo.duckdb` beside your own, or what --catalog names.

    With --serve it runs until Ctrl-C instead: the cloud's clock shows the real time, jobs arrive, run and end, a sync
    every few seconds follows them, and a link opens the catalog in your browser.
    """
    if serve and cloud_only:
        raise click.UsageError("--serve and --cloud-only exclude each other.")
    if cloud_only:
        _serve_cloud(jobs, accounts, _usual(speed, _TOUR_SPEED), port)
        return 0
    settings = invocation.settings()
    invocation.kept = _KEPT
    catalog = settings.catalog if invocation.catalog else settings.catalog.with_name(_FILE)
    _begin_anew(catalog)
    if serve:
        return _serve_catalog(catalog, jobs, accounts, _usual(speed, 1.0), port)
    return _tour(catalog, jobs, accounts, _usual(speed, _TOUR_SPEED), port)


def _usual(speed: float | None, usual: float) -> float:
    return usual if speed is None else speed


def _tour(catalog: Path, jobs: int, accounts: int, speed: float, port: int) -> int:
    from stocktake.serve.cli.simulation import profiles, simulated_cloud
    from stocktake.serve.cli.tables import make_console
    from stocktake.sync import SyncRequest

    console = make_console(sys.stdout, on_terminal=sys.stdout.isatty())
    with simulated_cloud(jobs, accounts, _REGIONS, speed, port) as cloud:
        console.print(
            f"A simulated cloud runs at {cloud.endpoint_url}: {count(jobs, 'training job')} in "
            f"{count(accounts, 'account')} and {len(_REGIONS)} regions, {speed:g} virtual seconds a second.\n",
            soft_wrap=True,
        )
        with profiles(cloud.accounts) as names:
            request = SyncRequest(
                catalog=catalog, types=(_TYPE,), regions=_REGIONS, profiles=names, endpoint_url=cloud.endpoint_url
            )
            first = _sync(console, "First sync: everything is new.", request)
            cloud.clock.advance(_HOURS_BETWEEN * 3600)
            second = _sync(console, f"\nSecond sync, {_HOURS_BETWEEN} virtual hours later: what changed.", request)
    console.print(
        f"\nThe first sync took {count(first.calls, 'call')}, the second {second.calls:,} for what changed.\n",
        style="bold",
    )
    _answer(console, catalog)
    console.print(
        f"\nAsk it yourself:\n  stocktake query --catalog {catalog} 'SUMMARIZE {_TYPE}'\n"
        f"  stocktake jobs --catalog {catalog} --sort hours\n  stocktake ask --list\n"
        f"  stocktake status --catalog {catalog}",
        soft_wrap=True,
    )
    return max(first.exit_code, second.exit_code)


def _sync(console: Console, title: str, request: SyncRequest) -> SyncReport:
    from stocktake.serve.cli.commands.sync import print_report
    from stocktake.serve.cli.progress import LineProgress, LiveProgress
    from stocktake.sync import run_sync

    console.print(title, style="bold")
    with LiveProgress(sys.stderr) if sys.stderr.isatty() else LineProgress(sys.stderr) as progress:
        report = run_sync(request, progress)
    print_report(report, sys.stdout, on_terminal=sys.stdout.isatty())
    return report


def _answer(console: Console, catalog: Path) -> None:
    from importlib.resources import as_file, files

    from stocktake.insights.prices import read_prices
    from stocktake.insights.questions import answer, find_question
    from stocktake.query.connection import open_reading
    from stocktake.serve.cli.destination import Destination
    from stocktake.serve.cli.rows import write_rows

    with as_file(files("stocktake.demo") / "prices.csv") as file:
        prices = read_prices(file)
    for number, name in enumerate(_QUESTIONS, start=1):
        question = find_question(name)
        console.print(f"\n{number}. {question.title}", style="bold")
        invented = " Prices are invented." if "cost" in question.sql else ""
        console.print(f"{question.about}{invented} (stocktake ask {name})", style="dim", soft_wrap=True)
        sys.stdout.flush()
        with open_reading(catalog) as opened:
            write_rows(answer(opened, question, {}, prices), Destination("table"))


def _serve_catalog(catalog: Path, jobs: int, accounts: int, speed: float, port: int) -> int:
    from stocktake.core.clock import SystemClock
    from stocktake.serve.cli.demo_web import demo_cloud, serve_demo

    click.echo(f"A simulated cloud with {count(jobs, 'training job')} in {count(accounts, 'account')} starts …")
    with demo_cloud(jobs, accounts, _REGIONS, speed, SystemClock().now()) as cloud:
        return serve_demo(catalog, cloud, port)


def _serve_cloud(jobs: int, accounts: int, speed: float, port: int) -> None:
    from stocktake.serve.cli.simulation import free_port, needing_the_extra

    with needing_the_extra():
        from stocktake.demo.estate import Estate
        from stocktake.demo.server import SimulatedCloud, serve

    def ready(cloud: SimulatedCloud) -> None:
        click.echo(f"A simulated cloud runs at {cloud.endpoint_url} until Ctrl-C. For any AWS client:")
        for name, value in cloud.environment().items():
            click.echo(f"  export {name}={value}")
        click.echo(f"Then: stocktake sync --endpoint-url {cloud.endpoint_url} --type {_TYPE}")

    with free_port(port):
        serve(Estate(jobs, accounts, _REGIONS), port=port, speed=speed, ready=ready)


def _begin_anew(catalog: Path) -> None:
    """Remove what an earlier tour left; anything else at that place is not ours to remove."""
    if not catalog.exists():
        return
    from stocktake.store.catalog import open_catalog

    try:
        with open_catalog(catalog, read_only=True):
            pass  # it is a catalog, and nobody else has it open
    except (CatalogAccessError, CatalogTooNewError) as error:
        # One that another version of us made is a catalog too; what it held is made anew in any case.
        if error.code not in _OTHER_FORMATS:
            raise
    if catalog.name != _FILE:
        raise UserError(
            f"{catalog} exists, and the demo would replace it",
            code="catalog_exists",
            hint="Remove the file, or name another one with --catalog.",
            where=str(catalog),
        )
    for ending in ("", *_BESIDE):
        catalog.with_name(catalog.name + ending).unlink(missing_ok=True)
