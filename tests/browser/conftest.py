"""The web catalog in Debian's Chromium: one browser for all tests, and what has to hold of every page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from simulated_estate import ACCOUNT, JOB, REGION
from stocktake.core.progress import Silent
from stocktake.demo.clock import VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud
from stocktake.query.runner import run_query
from stocktake.serve.gate.config import LimitConfig, SyncConfig
from stocktake.sync import SyncRequest, run_sync
from web_server import Served, serving

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
OTHER_REGION = "eu-west-1"
AROUND = ("aws_iam_role", "aws_sagemaker_model", "aws_ec2_subnet")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OF_COLORS = ("color-contrast", "link-in-text-block")
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
TIMEOUT_MS = 120_000
"""The machine may be busy: longer than any wait that ends well takes."""


def chromium_path() -> str:
    """Return where Chromium is. Debian's, or whatever is called so in PATH."""
    found = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if found is None:
        pytest.fail("The browser tests need Chromium: apt-get install chromium (`make test` does where it may)")
    return found


@dataclass(frozen=True)
class World:
    """A cloud, a catalog of it, and a server on that: what the pages are looked at with."""

    cloud: SimulatedCloud
    served: Served

    @property
    def origin(self) -> str:
        return self.served.url

    def keys(self, sql: str) -> list[str]:
        """Return what a statement finds, one value a row."""
        with self.served.house.reading() as catalog:
            return [str(row[0]) for row in run_query(catalog, sql).rows()]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small world, of now: three sweeps, between which jobs went on; one region is denied in the last."""
    start = datetime.now(UTC) - timedelta(hours=2)
    regions = (REGION, OTHER_REGION)
    estate = Estate(160, (ACCOUNT,), regions, now=start, arrivals_per_day=400.0, running_share=0.12, seed=11)
    catalog = tmp_path_factory.mktemp("world") / "catalog.duckdb"
    with (
        SimulatedCloud(estate, clock=VirtualClock(start, 0)) as cloud,
        as_file(files("stocktake.demo") / "prices.csv") as prices,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cloud.environment(ACCOUNT).items():
            patch.setenv(name, value)
        request = SyncRequest(catalog, (JOB, *AROUND), regions, endpoint_url=cloud.endpoint_url)
        run_sync(request, Silent())
        for round_number in range(2):
            cloud.clock.advance(3_500)
            cloud.switch(denied_actions=[f"sagemaker:ListTrainingJobs@{OTHER_REGION}"] if round_number else [])
            run_sync(replace(request, types=(JOB,)), Silent())
        cloud.switch(denied_actions=[])
        sync = SyncConfig((JOB,), regions, (), cloud.endpoint_url)
        # A browser asks for a page and all that it is made of; and the tests do not pause between two.
        limits = LimitConfig(requests_a_second=1_000.0, burst=5_000, question_seconds=200.0, sql_seconds=200.0)
        with serving(catalog, prices=prices, sync=sync, limits=limits, login=False) as served:
            yield World(cloud, served)


# Not for the whole session: while it is driven, its event loop is the thread's running one, and no test after it in the
# same process could run one of its own.
@pytest.fixture(scope="module")
def browser(world: World) -> Iterator[Browser]:
    # After the world: once playwright runs, this thread has an event loop, and no sync can be run in it.
    assert world.origin
    with sync_playwright() as playwright:
        # No sandbox: as root Chromium has none, and it sees only our own pages.
        chromium = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """What a page did that no page may."""

    origin: str
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    """Parts of what the console says when a test asks for an error."""

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def asked(self, request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme in {"http", "https", "ws", "wss"} and f"{target.scheme}://{target.netloc}" != self.origin:
            self.elsewhere.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.console.append(f"{message.text} ({message.location.get('url', '')})")

    def check(self) -> None:
        said = [line for line in self.console if not any(part in line for part in self.expected)]
        assert said == [], "the console has errors"
        assert self.elsewhere == [], "a page asked another host"


@dataclass
class Tab:
    """A page of the browser, on one server."""

    page: Page
    origin: str
    watched: Watched

    def go(self, path: str) -> Page:
        """Open a page of the catalog, and wait until it has settled."""
        answer = self.page.goto(self.origin + path, wait_until="load")
        assert answer is not None
        assert answer.status < 500, f"{path}: {answer.status}"
        return self.page

    def check_accessibility(self, themes: tuple[Theme, ...] = THEMES) -> None:
        """Say what axe-core finds on the page as it is, in light and in dark."""
        first = themes[0]
        found = [
            f"{theme}: {line}" for theme in themes for line in violations(self.page, theme, colors_only=theme != first)
        ]
        assert found == [], self.page.url


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def violations(page: Page, theme: Theme, *, colors_only: bool = False) -> list[str]:
    """Return what axe-core finds on a page in a theme, a line for each kind.

    `colors_only`: only what can differ between two themes.
    """
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    if not page.evaluate("Boolean(window.axe)"):
        # Evaluated by the debugger's own way, which the page's policy does not bind.
        page.evaluate(_axe())
    wanted = {"type": "rule", "values": list(OF_COLORS)} if colors_only else {"type": "tag", "values": list(TAGS)}
    result: dict[str, Any] = page.evaluate(
        "wanted => axe.run(document, {resultTypes: ['violations'], runOnly: wanted})", wanted
    )
    return [
        f"{one['id']} ({one['impact']}): {len(one['nodes'])} x {one['nodes'][0]['html'][:200]} "
        f"{one['nodes'][0].get('failureSummary', '')[:300]}"
        for one in result["violations"]
    ]


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(browser: Browser, world: World) -> Iterator[OpenTab]:
    """Open pages of the world's server; afterwards none may have said an error, or asked another host.

    `open_tab(javascript=…, narrow=…, theme=…, origin=…)` gives a `Tab`.
    """
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_one(
        *, javascript: bool = True, narrow: bool = False, theme: Theme = "light", origin: str = world.origin
    ) -> Tab:
        context = browser.new_context(
            viewport=NARROW if narrow else WIDE,  # type: ignore[arg-type] # a dict of two numbers, as it wants
            java_script_enabled=javascript,
            color_scheme=theme,
            reduced_motion="reduce",
            locale="en-US",
            timezone_id="UTC",
        )
        context.set_default_timeout(TIMEOUT_MS)
        expect.set_options(timeout=TIMEOUT_MS)
        contexts.append(context)
        one = Watched(origin)
        watched.append(one)
        context.on("request", one.asked)
        page = context.new_page()
        one.watch(page)
        return Tab(page, origin, one)

    yield open_one
    for context in contexts:
        context.close()
    for one in watched:
        one.check()
