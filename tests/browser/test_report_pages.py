"""Jobs, changes, policies and types in a browser: what people do there, from the first click to the last."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

OpenTab = Callable[..., Any]
TYPE = "aws_sagemaker_trainingjob"
NARROW = (
    "/jobs",
    "/jobs/list",
    "/changes",
    "/policies",
    "/policies/findings",
    "/policies/new",
    "/types",
    f"/types/{TYPE}",
)


def test_from_the_board_to_a_job_and_what_it_came_from(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/jobs")
    expect(page.locator("#running")).to_contain_text("Running now")
    tab.check_accessibility()
    page.get_by_role("group", name="Running jobs").get_by_role("link").first.click()
    expect(page.locator("svg.gantt")).to_be_visible()
    # What takes longer comes by itself.
    expect(page.get_by_role("group", name="Lineage", exact=False).first).to_be_visible()
    expect(page.locator("section", has=page.locator("#policies"))).to_contain_text("passed")
    tab.check_accessibility()
    page.get_by_role("link", name="Compare").click()
    expect(page).to_have_url(re.compile(r"/jobs/compare\?a="))


def test_a_job_is_whole_without_scripts(open_tab: OpenTab) -> None:
    page: Page = open_tab(javascript=False).go("/jobs")
    page.get_by_role("group", name="Running jobs").get_by_role("link").first.click()
    expect(page.locator("svg.gantt")).to_be_visible()
    page.get_by_role("link", name="Show what went in and what came out").click()
    expect(page.locator("section", has=page.locator("#lineage"))).to_contain_text("What it ran in")


def test_two_jobs_are_chosen_and_compared(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/jobs/list?state=succeeded")
    page.locator("input[name=a]").nth(0).check()
    page.locator("input[name=b]").nth(1).check()
    tab.check_accessibility()
    page.get_by_role("button", name="Compare the two that are chosen").click()
    expect(page.get_by_role("heading", name="Phases on one scale")).to_be_visible()
    tab.check_accessibility()


def test_changes_are_narrowed_step_by_step(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/changes")
    expect(page.get_by_role("heading", name=re.compile("Sweep"))).not_to_have_count(0)
    tab.check_accessibility()
    page.get_by_role("searchbox").fill("changed:training_job_status")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".change").first).to_contain_text("InProgress")
    assert "changed" in page.url
    page.get_by_role("link", name="Created").click()
    expect(page).to_have_url(re.compile("change=created"))
    page.get_by_role("searchbox").fill('"open')
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("quote")
    tab.watched.expected.add("400")


def test_a_policy_is_tried_kept_and_removed(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/policies")
    tab.check_accessibility()
    page.get_by_role("link", name="New policy").click()
    page.get_by_label("Title: what should be so").fill("Every job says its cost center")
    page.get_by_label("Id", exact=True).fill("browser-cost-center")
    page.get_by_label("Type of resource").fill(TYPE)
    page.get_by_label("Keys that have to be there").fill("cost-center")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("section", has=page.locator("#trial"))).to_contain_text("pass")
    tab.check_accessibility()
    page.get_by_role("button", name="Keep it for all").click()
    expect(page).to_have_url(re.compile("/policies/browser-cost-center$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Every job says its cost center")
    tab.check_accessibility()
    page.get_by_role("button", name="Remove").click()
    expect(page).to_have_url(re.compile("/policies/rules$"))
    expect(page.get_by_text("browser-cost-center")).to_have_count(0)


def test_findings_and_rules_are_filtered(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/policies/findings")
    page.get_by_label("Severity").select_option("medium")
    page.get_by_role("button", name="Show").click()
    assert set(page.locator("main tbody td:first-child").all_inner_texts()) == {"medium"}
    tab.check_accessibility()
    tab.go("/policies/rules?q=spot")
    tab.check_accessibility()
    tab.go("/policies/exceptions")
    tab.check_accessibility()


def test_types_are_searched_down_to_a_field(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/types")
    page.get_by_role("searchbox").fill("volume_kms_key_id")
    page.get_by_role("button", name="Search").click()
    tab.check_accessibility()
    page.get_by_role("link", name="resource_config.volume_kms_key_id").click()
    field = page.locator("[id='resource_config.volume_kms_key_id']")
    expect(field).to_be_in_viewport()
    expect(field).to_contain_text("VolumeKmsKeyId")


@pytest.mark.parametrize("path", NARROW)
def test_nothing_is_wider_than_a_phone(open_tab: OpenTab, path: str) -> None:
    page: Page = open_tab(narrow=True).go(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
