"""What is checked of every page can fail: for each check a page that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

OpenTab = Callable[..., Any]
PALE = """theme => {
  const line = document.createElement("p");
  line.textContent = "pale";
  // Pale in one theme only.
  line.style.color = theme === "light" ? "light-dark(#ddd, #fff)" : "light-dark(#000, #333)";
  document.querySelector("main").append(line);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pale_text_is_found_in_its_theme(open_tab: OpenTab, theme: str) -> None:
    tab = open_tab()
    page: Page = tab.go("/settings")
    page.evaluate(PALE, theme)
    with pytest.raises(AssertionError, match=f"{theme}: color-contrast"):
        tab.check_accessibility()


def test_a_picture_without_words_is_found(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/settings")
    page.evaluate("document.querySelector('main').append(new Image())")
    with pytest.raises(AssertionError, match="image-alt"):
        tab.check_accessibility()


def test_an_error_in_the_console_is_found(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/settings")
    # The policy forbids it, and the browser says so.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b style=\"color: red\">x</b>')")
    page.evaluate("console.error('something else')")
    with pytest.raises(AssertionError, match="console"):
        tab.watched.check()
    said = " ".join(tab.watched.console)
    assert "something else" in said
    assert "style-src" in said
    tab.watched.console.clear()


def test_a_request_to_another_host_is_found(open_tab: OpenTab) -> None:
    tab = open_tab()
    page: Page = tab.go("/settings")
    page.evaluate("fetch('http://127.0.0.1:9/elsewhere').catch(() => 0)")
    said = " ".join(tab.watched.console + tab.watched.elsewhere)
    assert "127.0.0.1:9/elsewhere" in said, "the policy forbids it, or it was asked: either is told"
    with pytest.raises(AssertionError):
        tab.watched.check()
    tab.watched.console.clear()
    tab.watched.elsewhere.clear()
