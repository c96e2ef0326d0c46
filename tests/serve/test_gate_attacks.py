"""Text of others in pages and answers: whatever stands in tags, names and fields, it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from sample_catalog import ACCOUNT, REGION, TYPE, arn, job, training_job, write_sweep
from stocktake.store.catalog import open_catalog
from stocktake.store.ledger import Coverage
from stocktake.store.type_tables import ensure_tables
from web_server import serving

SCRIPT = "<script>alert(1)</script>"
HANDLER = "\"'><img src=x onerror=alert(2)>"
LINK = "javascript:alert(3)"
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    path: Path = tmp_path_factory.mktemp("attacks") / "catalog.duckdb"
    now = datetime.now(UTC)
    with open_catalog(path) as catalog:
        ensure_tables(catalog, training_job(), now)
        for hours, state in ((3, "InProgress"), (1, "Failed")):
            moment = now - timedelta(hours=hours)
            row = job(
                "alpha",
                training_job_status=state,
                failure_reason=f"{SCRIPT} {hours}",
                tags=[f"team:{HANDLER}", f"{SCRIPT}:{SCRIPT}", f"link:{LINK}", f"sum:{FORMULA}"],
                environment=[(HANDLER, SCRIPT)],
                role_arn=f"arn:aws:iam::{ACCOUNT}:role/{SCRIPT}",
            )
            home = Coverage(ACCOUNT, REGION, TYPE, moment, calls=1, listed=1, read=1, new=1)
            write_sweep(catalog, moment, ["alpha"], [row], [home])
    with serving(path) as served, served.client() as one:
        yield one


PAGES = (
    "/",
    "/?facet=team&facet=failure_reason&group=team",
    f"/?q={SCRIPT}",
    f"/?q={HANDLER}",
    f"/?sort={SCRIPT}",
    f"/resource?key={arn('alpha')}",
    f"/resource?key={arn('alpha')}&panel=1",
    f"/resource?key={SCRIPT}",
    f"/resource?key={arn('alpha')}&as_of={SCRIPT}",
    "/changes",
    f"/changes?q={HANDLER}",
    "/jobs",
    f"/jobs?team={HANDLER}",
    "/job?key=alpha",
    "/jobs/compare?a=alpha&b=alpha",
    "/sql",
    f"/sql?sql=SELECT '{SCRIPT}'",
    "/sync",
    "/settings",
    "/policies",
    f"/nothing/{SCRIPT}",
    f"/login?next={HANDLER}",
)


@pytest.mark.parametrize("address", PAGES)
def test_pages_show_it_as_text(client: httpx.Client, address: str) -> None:
    path, _, query = address.partition("?")
    pairs = [one.partition("=") for one in query.split("&") if one]
    parameters = httpx.QueryParams([(name, value) for name, _, value in pairs])
    answer = client.get(path, params=parameters, headers={"accept": "text/html"})
    assert answer.status_code < 500
    assert answer.headers["content-type"].startswith("text/html")
    found = Elements()
    found.feed(answer.text)
    assert found.names
    # The policy would stop all of it; there is nothing to stop.
    assert found.inline == []
    assert not [value for value in found.sources if value.strip().lower().startswith(("javascript:", "data:text"))]


class Elements(HTMLParser):
    """The elements of a page as a browser finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.sources: list[str] = []
        self.inline: list[str] = []
        """Whatever could run or style without a file of ours."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.names.append(tag)
        self.sources += [said[name] for name in ("href", "src", "action", "formaction", "data") if name in said]
        self.inline += [f"{tag} {name}" for name in said if name.startswith("on") or name in {"style", "srcdoc"}]
        is_data = said.get("type") == "application/json"
        if tag in {"style", "base", "object", "embed", "iframe"} or (
            tag == "script" and "src" not in said and not is_data
        ):
            self.inline.append(tag)
        if tag == "img" and said.get("src") == "x":
            self.inline.append("the image of the attack")


def test_the_text_is_shown_at_all(client: httpx.Client) -> None:
    page = client.get("/resource", params={"key": arn("alpha")}, headers={"accept": "text/html"}).text
    assert "&lt;script&gt;alert(1)" in page


def test_answers_are_json_and_nothing_else(client: httpx.Client) -> None:
    for path, parameters in (
        ("search", {"q": SCRIPT}),
        ("search", {"facet": "team"}),
        ("resource", {"key": arn("alpha")}),
        ("resource", {"key": SCRIPT}),
        (f"nothing/{SCRIPT}", {}),
        ("changes", {}),
    ):
        answer = client.get(f"/api/v1/{path}", params=parameters, headers={"accept": "text/html"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()


def test_spreadsheets_calculate_nothing(client: httpx.Client) -> None:
    sql = f"SELECT tag FROM (SELECT unnest(tags) AS tag FROM {TYPE}) WHERE tag LIKE 'sum:%'"
    whole = client.post("/api/v1/exports/sql", json={"sql": sql.replace("SELECT tag", "SELECT substr(tag, 5) AS tag")})
    assert whole.text.splitlines()[1].startswith("\"'=HYPERLINK")
    for line in client.get("/api/v1/exports/search", params={"form": "csv"}).text.splitlines():
        assert not re.search(r'(^|,)"?[=+@]', line)
