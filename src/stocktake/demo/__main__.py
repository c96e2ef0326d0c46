"""`python -m stocktake.demo`: the simulated cloud as a process of its own."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from stocktake.demo.clock import DEFAULT_START, VirtualClock, from_ms
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud, serve
from stocktake.demo.switches import Switches


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted; print one line of JSON that says where, once ready."""
    options = _parser().parse_args(arguments)
    accounts = (
        int(options.accounts[0]) if len(options.accounts) == 1 and len(options.accounts[0]) < 12 else options.accounts
    )
    estate = Estate(
        options.jobs, accounts, options.regions, options.seed, options.start,
        history_days=options.history_days, arrivals_per_day=options.arrivals_per_day,
        running_share=options.running_share,
    )  # fmt: skip
    if options.truth is not None:
        _write_truth(estate, options.truth)
        return
    switches = Switches().changed(orjson.loads(options.switches))
    serve(estate, port=options.port, speed=options.speed, switches=switches, seed=options.seed, ready=_announce)


def _write_truth(estate: Estate, file: Path) -> None:
    """Write what is true of every job when the clock starts, one line of JSON each."""
    cloud = SimulatedCloud(estate, clock=VirtualClock(from_ms(estate.start), 0), seed=estate.seed)
    file.write_bytes(b"".join(orjson.dumps(job) + b"\n" for job in cloud.truth()))


def _announce(cloud: SimulatedCloud) -> None:
    line = {
        "endpoint_url": cloud.endpoint_url,
        "accounts": cloud.accounts,
        "environment": cloud.environment(),
        "now": cloud.clock.now().isoformat(),
    }
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stocktake.demo", description="Serve a simulated cloud on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--jobs", type=int, default=1000, help="training jobs that exist at the start")
    parser.add_argument("--accounts", nargs="+", default=["2"], help="how many accounts, or their ids")
    parser.add_argument("--regions", nargs="+", default=["us-east-1", "eu-west-1"])
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds per real second; 0 stands still")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=_instant, default=DEFAULT_START, help="virtual time at the start, ISO 8601")
    parser.add_argument("--history-days", type=int, default=90, help="how far back the first jobs were created")
    parser.add_argument("--arrivals-per-day", type=float, default=None, help="new jobs per virtual day")
    parser.add_argument(
        "--running-share", type=float, default=0.03, help="share of the jobs that still run at the start"
    )
    parser.add_argument("--switches", default="{}", help="switches as JSON, as POST /_control/switches takes them")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="write what is true of every job at the start, and serve nothing"
    )
    return parser


if __name__ == "__main__":
    main()
