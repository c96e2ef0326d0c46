"""What Prometheus scrapes: the server's requests, and what the catalog holds and lacks."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

import stocktake
from stocktake.core.errors import StocktakeError
from stocktake.serve.api.parameters import Asking, HouseHere
from stocktake.serve.gate.visitor import require_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from stocktake.query.reach import Reach
    from stocktake.query.status import CatalogStatus
    from stocktake.serve.gate.house import House
    from stocktake.serve.gate.metrics import Metrics

router = APIRouter(tags=["server"])

_KEPT_SECONDS = 15.0
"""For so long the catalog is not asked again, however often it is scraped."""

_MOST_KEPT = 100


class Scraped:
    """What the catalog said last, to each who sees another part of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[Reach, tuple[float, CatalogStatus | None]] = {}

    def status(self, house: House, reach: Reach) -> CatalogStatus | None:
        """Return the catalog's status within reach; None where it cannot be had."""
        from stocktake.query.status import read_status

        with self._lock:
            at, status = self._said.get(reach, (-_KEPT_SECONDS, None))
            if time.monotonic() - at < _KEPT_SECONDS:
                return status
            try:
                with house.reading() as catalog:
                    status = read_status(catalog, reach=reach)
            except StocktakeError:
                # A scrape goes on without it; stocktake_catalog_up says so.
                status = None
            if len(self._said) >= _MOST_KEPT:
                self._said.clear()
            self._said[reach] = (time.monotonic(), status)
            return status


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def scrape(request: Request, house: HouseHere, visitor: Asking) -> Response:
    """Return metrics in Prometheus' text format; a token needs the scope `metrics`."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    require_scope(visitor, "metrics")
    state = request.app.state
    if not hasattr(state, "scraped"):
        state.scraped = Scraped()
    registry = CollectorRegistry()
    registry.register(_Collector(house, state.metrics, state.scraped.status(house, visitor.reach)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector:
    def __init__(self, house: House, metrics: Metrics, status: CatalogStatus | None) -> None:
        self._house = house
        self._metrics = metrics
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from self._of_server()
        yield from self._of_catalog()

    def _of_server(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        info = GaugeMetricFamily("stocktake_info", "The server's version.", labels=["version"])
        info.add_metric([stocktake.__version__], 1)
        yield info
        yield GaugeMetricFamily("stocktake_start_time_seconds", "When it started.", value=self._house.started_at)
        requests = CounterMetricFamily("stocktake_http_requests", "Requests.", labels=["route", "method", "status"])
        for (route, method, status), count in sorted(self._metrics.requests().items()):
            requests.add_metric([route, method, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "stocktake_http_request_duration_seconds", "How long requests took.", labels=["route"]
        )
        for route, buckets, total in sorted(self._metrics.durations()):
            seconds.add_metric([route], buckets, total)
        yield seconds
        failed = CounterMetricFamily("stocktake_audit_failures", "Lines of the audit log that could not be written.")
        failed.add_metric([], self._house.audit.failed)
        yield failed
        running = sum(run.status == "running" for run in self._house.syncs.list())
        yield GaugeMetricFamily("stocktake_sync_running", "Syncs of this server under way.", value=running)

    def _of_catalog(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        status = self._status
        yield GaugeMetricFamily("stocktake_catalog_up", "Whether it can be read.", value=int(status is not None))
        if status is None:
            return
        yield GaugeMetricFamily("stocktake_catalog_bytes", "The catalog file's size.", value=status.size_bytes)
        resources = GaugeMetricFamily("stocktake_resources", "Resources held as existing.", labels=["type", "account"])
        scopes = GaugeMetricFamily("stocktake_scopes", "Scopes by the newest word on them.", labels=["status"])
        aside = GaugeMetricFamily("stocktake_values_aside", "Answers and values kept aside.", labels=["type"])
        rows: dict[tuple[str, str], int] = {}
        words: dict[str, int] = {}
        kept: dict[str, int] = {}
        for scope in status.scopes:
            rows[scope.type, scope.account_id] = rows.get((scope.type, scope.account_id), 0) + scope.rows
            words[scope.status] = words.get(scope.status, 0) + 1
            kept[scope.type] = kept.get(scope.type, 0) + scope.aside
        for key, count in rows.items():
            resources.add_metric(list(key), count)
        for word, count in words.items():
            scopes.add_metric([word], count)
        for name, count in kept.items():
            aside.add_metric([name], count)
        yield from (resources, scopes, aside)
        stale = sum(scope.stale for scope in status.scopes)
        yield GaugeMetricFamily(
            "stocktake_scopes_stale", "Scopes that the newest sweep did not read whole.", value=stale
        )
        yield from _of_sweeps(status)


def _of_sweeps(status: CatalogStatus) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    ended = [sweep for sweep in status.sweeps if sweep.finished_at is not None]
    if not ended:
        return
    last = ended[0]
    assert last.finished_at is not None  # noqa: S101 - chosen so
    yield GaugeMetricFamily("stocktake_last_sweep_id", "The number of the last sweep that ended.", value=last.sweep_id)
    seconds = (last.finished_at - last.started_at).total_seconds()
    yield GaugeMetricFamily("stocktake_last_sweep_seconds", "How long it took.", value=seconds)
    yield GaugeMetricFamily("stocktake_last_sweep_calls", "Calls that it made.", value=last.calls or 0)
    word = GaugeMetricFamily("stocktake_last_sweep", "When the last sweep ended, by its outcome.", labels=["status"])
    word.add_metric([last.status], _seconds(last.finished_at))
    yield word


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()
