"""The web catalog on a simulated cloud: the cloud and a sync every few seconds are processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import IO, TYPE_CHECKING

import click
import orjson

from stocktake.core.errors import FatalError
from stocktake.serve.cli.server_options import needing_the_server
from stocktake.serve.cli.simulation import needing_the_extra, profiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

MOVING = ("aws_sagemaker_trainingjob", "aws_sagemaker_hyperparametertuningjob")
"""What the cloud goes on with by itself, and is synced every few seconds."""
AROUND = (
    "aws_ec2_securitygroup", "aws_ec2_subnet", "aws_ec2_vpc", "aws_ecr_repository", "aws_iam_role", "aws_kms_key",
    "aws_s3_bucket", "aws_sagemaker_endpoint", "aws_sagemaker_endpointconfig", "aws_sagemaker_model",
)  # fmt: skip
"""What the jobs refer to, or was made of them."""
_ARRIVALS_A_DAY = 8_640.0
"""One every ten seconds, so that there is something to see."""
_RUNNING_SHARE = 0.06
_EVERY = "5s"
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DemoCloud:
    """A simulated cloud in a process of its own."""

    endpoint_url: str
    accounts: tuple[str, ...]
    jobs: int
    regions: tuple[str, ...]


def serve_demo(catalog: Path, cloud: DemoCloud, port: int) -> int:
    """Sync once, then serve the catalog until Ctrl-C, while syncs go on beside it. Return the exit code."""
    from stocktake.serve.cli.progress import LineProgress, LiveProgress
    from stocktake.sync import SyncRequest, run_sync

    with needing_the_server():
        from stocktake.serve.gate.config import ServerConfig, SyncConfig
        from stocktake.serve.running import run_server

    def ready(address: str, link: str | None) -> None:
        click.echo(f"The catalog is at {address} until Ctrl-C, synced again every {_EVERY}.")
        click.echo(f"Open this link once, within ten minutes, to be let in:\n\n  {link or address}\n")
        sys.stdout.flush()

    with profiles(cloud.accounts) as names, as_file(files("stocktake.demo") / "prices.csv") as prices:
        request = SyncRequest(
            catalog=catalog,
            types=MOVING,
            regions=cloud.regions,
            profiles=names,
            endpoint_url=cloud.endpoint_url,
        )
        with LiveProgress(sys.stderr) if sys.stderr.isatty() else LineProgress(sys.stderr) as progress:
            report = run_sync(request, progress)
        click.echo(f"Synced: {sum(scope.listed for scope in report.scopes):,} resources in {report.seconds:.0f} s.")
        sync = SyncConfig((*MOVING, *AROUND), cloud.regions, names, cloud.endpoint_url)
        # What is around the jobs takes longer, and may come while the catalog is looked at already.
        with _syncing(catalog, cloud, names, AROUND), _syncing(catalog, cloud, names, MOVING, "--every", _EVERY):
            run_server(ServerConfig(catalog, port=port, prices=prices, sync=sync), ready)
    return 0


@contextmanager
def demo_cloud(jobs: int, accounts: int, regions: Sequence[str], speed: float, start: datetime) -> Iterator[DemoCloud]:
    """Run a simulated cloud whose clock begins at `start`.

    Raises: UserError where the extra that it needs is not installed; FatalError where it does not start.
    """
    with needing_the_extra():
        import stocktake.demo.server  # noqa: F401 - whether it could be started
    words = ["--jobs", str(jobs), "--accounts", str(accounts), "--regions", *regions, "--speed", str(speed)]
    words += ["--start", start.isoformat(), "--running-share", str(_RUNNING_SHARE)]
    words += ["--arrivals-per-day", str(_ARRIVALS_A_DAY)]
    with _running("stocktake.demo", *words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        line = process.stdout.readline()
        if not line:
            raise FatalError(
                f"The simulated cloud did not start (exit code {process.wait()})",
                code="demo_not_started",
                hint="`python -m stocktake.demo` says why.",
            )
        told = orjson.loads(line)
        yield DemoCloud(told["endpoint_url"], tuple(told["accounts"]), jobs, tuple(regions))


@contextmanager
def _syncing(catalog: Path, cloud: DemoCloud, names: Sequence[str], types: Sequence[str], *more: str) -> Iterator[None]:
    """Sync some types beside the server; `more`: options."""
    words = ["sync", "--catalog", str(catalog), *more]
    for option, values in (("--type", types), ("--region", cloud.regions), ("--profile", names)):
        for value in values:
            words += [option, value]
    # A profile and an endpoint exclude each other on the command line, where an endpoint stands for all accounts.
    with _running("stocktake", *words, AWS_ENDPOINT_URL=cloud.endpoint_url):
        yield


@contextmanager
def _running(
    module: str, *words: str, stdout: int | IO[bytes] = subprocess.DEVNULL, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our modules beside us; it ends with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own module, run by our own interpreter
        [sys.executable, "-m", module, *words],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        # Ctrl-C at our terminal is for us to handle.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
