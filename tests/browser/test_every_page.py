"""Every page, wide and narrow, in light and dark: nothing for axe-core to find, nothing in the console, no other host.

With STOCKTAKE_SCREENSHOTS=1 (`make screenshots`) the pictures of docs/guide are made again.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
JOB = "aws_sagemaker_trainingjob"
OpenTab = Callable[..., Any]
MOST_BYTES = 150_000
IN_DARK = {"catalog", "job"}
AS_WEBP = """async ([address, quality]) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality });
  return await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
}"""
BY_STATE = f"SELECT+training_job_status+AS+status,+count(*)+AS+jobs%0AFROM+{JOB}%0AGROUP+BY+status+ORDER+BY+jobs+DESC"
# Name, address ({job} and {other} are ARNs of jobs), and what says that it is all there.
PAGES = (
    ("catalog", "/", "main table"),
    ("catalog_search", f"/?q=type:{JOB}+status:Completed", "main table"),
    ("catalog_nothing", "/?q=nothing_is_called_so", "main"),
    ("resource", "/resource?key={job}", "main"),
    ("resource_panel", "/?panel={job}", "#panel:not([hidden])"),
    ("types", "/types", "main"),
    ("type", f"/types/{JOB}", "main"),
    ("jobs", "/jobs", "main"),
    ("job", "/job?key={job}", "main svg"),
    ("jobs_compare", "/jobs/compare?a={job}&b={other}", "main table"),
    ("changes", "/changes", "main"),
    ("policies", "/policies", "main"),
    ("policy", "{policy}", "main"),
    ("policy_new", "/policies/new", "main form"),
    ("sql", f"/sql?q={BY_STATE}&run=1", "#answer svg"),
    ("sync", "/sync", "#coverage table"),
    ("settings", "/settings", "main form"),
    ("login", "/login", "main"),
    ("not_found", "/nothing/here", "main"),
)
# What else a page can show; no pictures of these are kept, and they are looked at in one width.
STATES = (
    "/?view=map&group=type",
    "/?group=state",
    "/?as_of=1h+ago",
    "/?deleted=1",
    *(f"/resource?key={{job}}&tab={tab}" for tab in ("fields", "definition", "relations", "timeline", "policies")),
    "/jobs/list?state=running",
    "/changes?q=team:vision",
    "/policies/findings",
    "/policies/rules",
    "/policies/exceptions",
    "/sql?q=SELECT+nothing+FROM+resources&run=1",
    "/sync?status=denied",
    "/sync?type=nothing_is_called_so",
)


@pytest.fixture(scope="session")
def addresses(world: Any) -> dict[str, str]:
    """Return what stands in the pages' addresses: a job that has changed, another one, a policy."""
    changed = world.keys(
        f"SELECT training_job_arn FROM {JOB} WHERE training_job_status = 'Completed' "
        "AND len(secondary_status_transitions) > 2 ORDER BY len(final_metric_data_list) DESC NULLS LAST, 1 LIMIT 2"
    )
    return {"job": changed[0], "other": changed[1], "policy": "/policies"}


def visit(tab: Any, address: str, ready: str) -> Page:
    page: Page = tab.go(address)
    page.wait_for_selector(ready, state="attached")
    # What a page asks for by itself has come.
    page.wait_for_load_state("load")
    return page


def first_policy(tab: Any) -> str:
    page: Page = tab.go("/policies")
    link = page.locator("main a[href^='/policies/']:not([href='/policies/new'])").first
    return str(link.get_attribute("href"))


@pytest.mark.parametrize(("name", "address", "ready"), PAGES, ids=[name for name, *_ in PAGES])
def test_a_page_is_sound(open_tab: OpenTab, addresses: dict[str, str], name: str, address: str, ready: str) -> None:
    for narrow in (False, True):
        tab = open_tab(narrow=narrow)
        if name == "not_found":
            tab.watched.expected.add("404")
        if name == "policy":
            addresses["policy"] = first_policy(tab)
        page = visit(tab, address.format(**addresses), ready)
        # Narrow pages have the same colors; what may differ is what lies where.
        tab.check_accessibility(("dark",) if narrow else ("light", "dark"))
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"the page is {wide} px wider than its window"
        if os.environ.get("STOCKTAKE_SCREENSHOTS"):
            picture(page, name, narrow=narrow)


@pytest.mark.parametrize("address", STATES)
def test_a_state_of_a_page_is_sound(open_tab: OpenTab, addresses: dict[str, str], address: str) -> None:
    tab = open_tab()
    visit(tab, address.format(**addresses), "main")
    tab.check_accessibility()


@pytest.mark.parametrize(
    ("name", "address"), [(name, address) for name, address, _ in PAGES], ids=[name for name, *_ in PAGES]
)
def test_a_page_can_be_read_without_scripts(
    open_tab: OpenTab, addresses: dict[str, str], name: str, address: str
) -> None:
    tab = open_tab(javascript=False)
    tab.watched.expected.add("404")
    page: Page = tab.go(address.format(**addresses))
    assert page.locator("h1").first.inner_text().strip(), name
    assert page.locator("main").inner_text().strip(), name
    for link in page.locator("nav[aria-label='Pages'] a").all():
        assert str(link.get_attribute("href")).startswith("/")


def picture(page: Page, name: str, *, narrow: bool) -> None:
    """Keep pictures: wide and narrow in light, of some pages in dark too. WebP, which Chromium itself makes of them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark") if name in IN_DARK and not narrow else ("light",)
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        suffix = "_390" if narrow else "_dark" if theme == "dark" else ""
        shot = base64.b64encode(page.screenshot(scale="css")).decode()
        blank = page.context.new_page()
        for quality in (0.82, 0.7, 0.55):
            address: str = blank.evaluate(AS_WEBP, [f"data:image/png;base64,{shot}", quality])
            data = base64.b64decode(address.partition(",")[2])
            if len(data) < MOST_BYTES:
                break
        blank.close()
        assert len(data) < MOST_BYTES, f"{name}: {len(data):,} bytes"
        (IMAGES / f"{name}{suffix}.webp").write_bytes(data)
