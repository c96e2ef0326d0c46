"""The sync and the settings page in a browser: a sync is started and watched; a token is made and revoked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

OpenTab = Callable[..., Any]
PATIENCE_MS = 200_000
"""A sync is a process of its own, and the machine may be busy."""


def test_a_sync_is_started_and_watched(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sync?status=denied")
    expect(page.locator("#coverage tbody tr")).to_have_count(1)
    expect(page.locator("#policy")).to_contain_text("sagemaker:ListTrainingJobs")
    tab.check_accessibility()
    page.goto(tab.origin + "/sync")
    page.get_by_text("Start a sync").click()
    tab.check_accessibility()
    page.get_by_label("compare the whole list").check()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#live")).to_contain_text("by owner")
    # It goes on by itself: what was denied is complete, without the page being loaded again.
    expect(page.locator("#live .badge").first).to_have_text("complete", timeout=PATIENCE_MS)
    expect(page.locator("#coverage .badge.bad", has_text="denied")).to_have_count(0, timeout=PATIENCE_MS)
    tab.check_accessibility()


def test_coverage_is_narrowed_without_scripts(open_tab: OpenTab) -> None:
    page: Page = open_tab(javascript=False).go("/sync")
    page.get_by_label("Type").fill("trainingjob")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#coverage tbody tr")).to_have_count(2)
    assert "type=trainingjob" in page.url


def test_a_token_is_made_and_revoked(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/settings")
    page.get_by_label("Name: what uses it").fill("nightly report")
    page.get_by_label("sql run SQL").check()
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#secret")).to_contain_text("stk_")
    tab.check_accessibility()
    page.goto(tab.origin + "/settings")
    expect(page.locator("#secret")).to_have_count(0)
    page.get_by_role("button", name="Revoke nightly report").click()
    expect(page.locator("tr", has_text="nightly report")).to_contain_text("revoked")
    tab.check_accessibility()


def test_colors_follow_the_choice(open_tab: OpenTab) -> None:
    page: Page = open_tab(theme="light").go("/settings")
    page.get_by_label("Show pages in").select_option("dark")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 27)"
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
