"""The SQL page in a browser: the editor, completion, running and cancelling, pictures, saved statements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

BY_TYPE = "SELECT type, count(*) AS n FROM resources GROUP BY type ORDER BY n DESC"
SLOW = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"
OpenTab = Callable[..., Any]


def write(page: Page, sql: str) -> None:
    """Write into the editor as a person does, in place of what is there."""
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(sql)


def test_a_statement_is_written_run_and_shared(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sql")
    write(page, BY_TYPE)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#answer tbody tr").first).to_contain_text("aws_sagemaker_trainingjob")
    expect(page.locator("#answer svg.bars")).to_be_visible()
    assert "run=1" in page.url
    tab.check_accessibility()
    page.get_by_role("link", name="No chart").click()
    expect(page.locator("#answer svg.bars")).to_have_count(0)
    other: Page = open_tab().go(page.url.removeprefix(tab.origin))
    expect(other.locator("#answer tbody tr").first).to_contain_text("aws_sagemaker_trainingjob")
    expect(other.locator("#answer svg.bars")).to_have_count(0)
    page.go_back()
    expect(page.locator("#answer svg.bars")).to_be_visible()


def test_the_editor_completes(open_tab: OpenTab) -> None:
    page: Page = open_tab().go("/sql")
    write(page, "SELECT resource_config. FROM aws_sagemaker_trainingjob")
    for _ in range(len(" FROM aws_sagemaker_trainingjob")):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("instance_t")
    option = page.locator(".cm-tooltip-autocomplete li").first
    expect(option).to_contain_text("instance_type")
    option.click()
    expect(page.locator(".cm-content")).to_have_text(
        "SELECT resource_config.instance_type FROM aws_sagemaker_trainingjob"
    )
    assert page.evaluate("document.getElementById('statement').value").startswith("SELECT resource_config.instance_t")


def test_a_long_statement_is_cancelled(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sql")
    write(page, SLOW)
    page.get_by_role("button", name="Run").click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    # It can be cancelled from when a process runs it; until then the click is too early, and there is another.
    for _ in range(60):
        cancel.click(timeout=1_000) if cancel.is_visible() else None
        if not cancel.is_visible():
            break
        page.wait_for_timeout(500)
    expect(page.locator("#answer")).to_contain_text("sql_cancelled")
    tab.check_accessibility()


def test_an_error_is_told_where_it_is(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sql")
    write(page, "SELECT name, nothing_like_it FROM resources")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("nothing_like_it")
    tab.check_accessibility()


def test_the_tree_opens_tables_and_inserts_names(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sql")
    page.get_by_label("Filter").fill("trainingjob")
    expect(page.locator('[data-table="resources"]')).to_be_hidden()
    page.locator('[data-table="aws_sagemaker_trainingjob"] summary').first.click()
    page.get_by_role("button", name="training_job_name", exact=True).click()
    expect(page.locator(".cm-content")).to_have_text("training_job_name")
    tab.check_accessibility()


def test_a_statement_is_saved_and_removed(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/sql?q=SELECT+41+%2B+1+AS+n&run=1")
    page.locator("summary", has_text=re.compile("^Save$")).click()
    page.get_by_label("Name").fill("The answer")
    tab.check_accessibility()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved (1)").click()
    page.get_by_role("link", name="The answer").click()
    expect(page.locator("#answer tbody td")).to_have_text("42")
    page.get_by_text("Saved (1)").click()
    page.get_by_role("button", name="Remove The answer").click()
    expect(page.locator("summary", has_text=re.compile("^Saved$"))).to_be_visible()


def test_an_answer_is_exported(open_tab: OpenTab) -> None:
    page: Page = open_tab().go("/sql?q=SELECT+range+AS+n+FROM+range(3)&run=1&chart=none")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as got:
        page.get_by_role("link", name="JSON lines").click()
    lines = got.value.path().read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_without_scripts_a_form_does_it(open_tab: OpenTab) -> None:
    page: Page = open_tab(javascript=False).go("/sql")
    page.get_by_label("SQL statement").fill(BY_TYPE)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer tbody tr").first).to_contain_text("aws_sagemaker_trainingjob")
    page.get_by_label("Value").select_option("n")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#answer svg.bars")).to_be_visible()
