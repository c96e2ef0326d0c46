"""The catalog page and the resource in its panel, driven as people do: by keys, by clicks, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from playwright.sync_api import Page, expect

OpenTab = Callable[..., Any]
JOB = "aws_sagemaker_trainingjob"


def count_of(page: Page) -> int:
    return int(page.locator(".total strong").inner_text().replace(",", ""))


def test_typing_finds_and_the_address_follows(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/")
    everything = count_of(page)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("type:trainingj", delay=20)
    option = page.locator("#completions li").first
    expect(option).to_contain_text("trainingjob")
    tab.check_accessibility()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#q")).to_have_value(re.compile(r"^type:\S*trainingjob $"))
    expect(page.locator("table.resources tbody tr").first).to_be_visible()
    page.wait_for_function(
        f"Number(document.querySelector('.total strong').textContent.replace(/,/g, '')) < {everything}"
    )
    assert "q=type:" in page.url
    # Half a search keeps what was found before, and says where it is wrong.
    page.keyboard.type(")", delay=20)
    expect(page.locator("#trouble mark")).to_have_text(")")
    assert page.locator("table.resources tbody tr").count() > 0
    page.keyboard.press("Backspace")
    expect(page.locator("#trouble mark")).to_have_count(0)


def test_facets_are_chosen_by_clicks_and_taken_back(open_tab: OpenTab) -> None:
    page: Page = open_tab().go("/")
    everything = count_of(page)
    box = page.locator('[data-facet="type"]').get_by_role("checkbox", name=JOB, exact=True)
    box.check()
    expect(page).to_have_url(re.compile(f"f.type={JOB}"))
    expect(page.locator('[data-facet="type"] .badge')).to_have_text("1")
    assert count_of(page) < everything
    # Its own columns are there now.
    expect(page.locator("table.resources thead")).to_contain_text("instance_type")
    page.go_back()
    page.wait_for_function(f"document.querySelector('.total strong')?.textContent.replace(/,/g, '') === '{everything}'")
    expect(page).not_to_have_url(re.compile("f.type="))


def test_rows_and_the_panel_by_keys(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go(f"/?f.type={JOB}")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.at")).to_have_count(1)
    name = page.locator("tr.at th a").inner_text()
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel.locator(".resource-name")).to_have_text(name)
    assert "panel=arn:aws:sagemaker" in unquote(page.url)
    tab.check_accessibility()
    panel.get_by_role("link", name="Relations").click()
    expect(panel.locator("svg.graph")).to_be_visible()
    assert "panel.tab=relations" in page.url
    # The address alone brings it back.
    page.reload()
    expect(panel.locator("svg.graph")).to_be_visible()
    panel.get_by_label("Direction").select_option("in")
    expect(panel.locator("select[name=direction]")).to_have_value("in")
    page.locator("#panel").focus()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert "panel" not in page.url
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def test_a_resource_through_time(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go(f"/?f.type={JOB}&sort=-changed_at")
    page.locator("table.resources tbody th a").first.click()
    panel = page.locator("#panel")
    panel.get_by_role("link", name="Timeline").click()
    expect(panel.locator(".timeline .event").first).to_be_visible()
    panel.get_by_label("Compare").fill("2h ago")
    panel.get_by_role("button", name="Compare").click()
    expect(panel).to_contain_text(re.compile("differ"))
    panel.get_by_role("link", name="Fields", exact=True).click()
    panel.get_by_text("About EnableNetworkIsolation").click()
    expect(panel.locator(".erratum").first).to_contain_text("says the opposite")
    panel.get_by_role("link", name="Only what is set").click()
    expect(panel.get_by_role("link", name="Show all fields")).to_be_visible()
    tab.check_accessibility(("light",))


def test_views_are_kept(open_tab: OpenTab) -> None:
    page: Page = open_tab().go(f"/?f.type={JOB}&group=state")
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Name").last.fill("jobs by state")
    page.get_by_role("button", name="Save this view").click()
    page.goto(page.url.partition("?")[0])
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("link", name="jobs by state").click()
    expect(page.locator("table.groups tbody tr").first).to_be_visible()
    assert f"f.type={JOB}&group=state" in page.url
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name="Remove jobs by state").click()
    page.get_by_text("Views", exact=True).click()
    expect(page.get_by_role("link", name="jobs by state")).to_have_count(0)


def test_the_map_leads_on(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/?view=map&group=type")
    tab.check_accessibility()
    page.locator("svg.treemap a").first.click()
    expect(page).to_have_url(re.compile("f.type="))
    expect(page.locator("svg.treemap a").first).to_be_visible()


def test_it_reads_without_scripts(open_tab: OpenTab) -> None:
    page: Page = open_tab(javascript=False).go("/")
    page.get_by_label("Search resources").fill(f"type:{JOB}")
    page.get_by_role("button", name="Search").click()
    page.locator('[data-facet="state"] input').first.check()
    page.get_by_role("button", name="Apply").click()
    assert "f.state=" in page.url
    page.locator("table.resources tbody th a").first.click()
    expect(page.locator("h1.resource-name")).to_be_visible()
    page.get_by_role("link", name="Definition").click()
    expect(page.locator("pre.json")).to_contain_text("training_job_arn")


def test_a_narrow_screen_has_all_of_it(open_tab: OpenTab) -> None:
    page: Page = open_tab(narrow=True).go("/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#facets")).to_be_hidden()
    page.get_by_role("link", name="Filters").click()
    expect(page.locator("#facets")).to_be_visible()
    page.locator("table.resources tbody th a").first.click()
    expect(page.locator("#panel .resource-name")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Close the panel").click()
    expect(page.locator("#panel")).to_be_hidden()
