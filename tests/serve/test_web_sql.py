"""The SQL page as a browser without scripts sees it, and what its scripts ask."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulated_estate import ACCOUNT, JOB, SimulatedEstate
from stocktake.serve.gate.config import LimitConfig, Role
from web_server import Served, serving

BY_TYPE = "SELECT type, count(*) AS n FROM resources GROUP BY type ORDER BY n DESC"
SLOW = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"
FAR = Role("far", accounts=("999988887777",), can_edit=True)
NETWORK = Role("network", types=("aws_ec2_*",))


@pytest.fixture(scope="module")
def served(estate: SimulatedEstate) -> Iterator[Served]:
    """A server with roles that see little, and small limits."""
    limits = LimitConfig(sql_seconds=200.0, sql_rows=5_000)
    with serving(estate.catalog, prices=estate.prices, roles=(FAR, NETWORK), limits=limits) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with closing(served.client()) as one:
        yield one


def ask(client: httpx.Client, sql: str, **more: str) -> str:
    answer = client.get("/sql", params={"q": sql, "run": "1"} | more)
    assert answer.status_code == 200
    return answer.text


def cells(page: str) -> list[list[str]]:
    body = page[page.index("<tbody>", page.index('aria-label="Rows of the answer"')) :].partition("</tbody>")[0]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def test_a_form_alone_asks_and_answers(client: httpx.Client) -> None:
    page = client.get("/sql").text
    assert '<form id="ask" class="card" action="/sql" method="get">' in page
    assert "No statement was run yet" in page
    rows = cells(ask(client, BY_TYPE))
    assert rows[0][0] == JOB
    assert int(rows[0][1]) > 100
    assert len(rows) == 5


def test_the_tree_names_tables_and_their_columns(client: httpx.Client) -> None:
    page = client.get("/sql").text
    for table in ("resources", "job_costs", JOB, "aws_s3_bucket"):
        assert f'data-table="{table}"' in page
    columns = client.get("/sql/columns", params={"table": JOB})
    assert 'data-insert="resource_config.instance_groups[1].instance_type"' in columns.text
    assert client.get("/sql/columns", params={"table": "nothing"}).status_code == 404


def test_an_error_is_told_with_its_place(client: httpx.Client) -> None:
    page = ask(client, "SELECT nothing_like_this FROM resources")
    assert 'role="alert"' in page
    assert "nothing_like_this" in page
    for sql, code in (
        ("DELETE FROM resources", "not_read_only"),
        ("SELECT 1; SELECT 2", "sql_several_statements"),
        ("SELEC 1", "sql_syntax"),
    ):
        assert f"<code>{code}</code>" in ask(client, sql)


def test_what_a_statement_says_is_shown_as_text(client: httpx.Client) -> None:
    page = ask(client, "SELECT '<script>alert(1)</script>' AS \"<img src=x onerror=alert(2)>\", chr(27) || '[31m' AS e")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x1b" not in page


def test_rows_are_bounded_and_that_is_said(client: httpx.Client) -> None:
    page = ask(client, "SELECT range AS n FROM range(1000000)", rows="100", chart="none")
    assert len(cells(page)) == 100
    assert "there are more" in page
    assert "there are more" not in ask(client, "SELECT range AS n FROM range(100)", rows="100")
    assert client.get("/sql", params={"q": "SELECT 1", "run": "1", "rows": "1000000"}).status_code == 422


def test_a_statement_that_takes_too_long_is_stopped(client: httpx.Client) -> None:
    assert "<code>sql_timeout</code>" in ask(client, SLOW, seconds="1")


def test_a_statement_can_be_cancelled(served: Served) -> None:
    answers: list[str] = []
    with closing(served.client()) as asking, closing(served.client()) as other:
        thread = threading.Thread(target=lambda: answers.append(ask(asking, SLOW, part="answer", number="n1")))
        thread.start()
        end = time.monotonic() + 60
        while thread.is_alive() and time.monotonic() < end:
            assert other.post("/sql/cancel", data={"number": "n1"}).status_code == 204
            thread.join(0.2)
    assert len(answers) == 1
    assert "<code>sql_cancelled</code>" in answers[0]


def test_nobody_cancels_for_others(served: Served) -> None:
    with closing(served.client(name="anna")) as anna, closing(served.client(name="berta")) as berta:
        answers: list[str] = []
        thread = threading.Thread(target=lambda: answers.append(ask(anna, SLOW, seconds="3", number="n2")))
        thread.start()
        while thread.is_alive():
            berta.post("/sql/cancel", data={"number": "n2"})
            thread.join(0.2)
    assert "<code>sql_timeout</code>" in answers[0]


def test_an_older_state_can_be_asked(client: httpx.Client) -> None:
    assert cells(ask(client, "SELECT count(*) AS n FROM resources", as_of="2h ago"))[0] == ["0"]
    assert "<code>bad_moment</code>" in ask(client, "SELECT 1", as_of="some day")


def test_answers_are_drawn(client: httpx.Client) -> None:
    page = ask(client, BY_TYPE)
    assert 'class="drawn bars"' in page
    assert f"{JOB}: " in page
    by_day = f"SELECT date_trunc('day', creation_time) AS day, count(*) AS jobs FROM {JOB} GROUP BY day"
    assert 'class="drawn curves"' in ask(client, by_day)
    assert 'class="drawn bars"' in ask(client, by_day, chart="bar")
    assert 'class="drawn' not in ask(client, BY_TYPE, chart="none")
    assert 'class="drawn' not in ask(client, "SELECT name FROM resources LIMIT 5")
    assert "style=" not in page


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "parquet", "arrow"])
def test_all_rows_can_be_exported(client: httpx.Client, form: str) -> None:
    sql = "SELECT range AS n, 'a' AS n, '=1+1' AS formula FROM range(3000)"
    answer = client.get("/sql/export", params={"q": sql, "form": form})
    assert answer.status_code == 200
    assert f"answer.{form}" in answer.headers["content-disposition"]
    match form:
        case "csv":
            lines = answer.text.splitlines()
            assert len(lines) == 3_001
            assert lines[1] == "0,a,'=1+1"
            return
        case "json":
            rows = json.loads(answer.content)
        case "ndjson":
            rows = [json.loads(line) for line in answer.text.splitlines()]
        case "parquet":
            rows = pq.read_table(io.BytesIO(answer.content)).to_pylist()
        case _:
            rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert len(rows) == 3_000
    assert rows[7] == {"n": 7, "n_1": "a", "formula": "=1+1"}


def test_an_export_of_nothing_and_of_what_is_wrong(client: httpx.Client) -> None:
    nothing = {"q": "SELECT 1 AS n WHERE false"}
    assert client.get("/sql/export", params=nothing | {"form": "csv"}).text == "n\n"
    assert json.loads(client.get("/sql/export", params=nothing | {"form": "json"}).content) == []
    read = pq.read_table(io.BytesIO(client.get("/sql/export", params=nothing | {"form": "parquet"}).content))
    assert read.column_names == ["n"]
    assert client.get("/sql/export", params={"q": "SELEC", "form": "csv"}).status_code == 400
    assert client.get("/sql/export", params={"q": "SELECT 1", "form": "exe"}).status_code == 400


def test_completion_knows_columns_and_names_of_ours(client: httpx.Client) -> None:
    text = f"SELECT resource_config.inst FROM {JOB}"
    found = client.post("/sql/complete", data={"text": text, "at": str(text.index(" FROM"))}).json()
    assert {"instance_type", "instance_count"} <= {item["text"] for item in found["items"]}
    assert text[found["start"] : found["end"]] == "inst"
    text = "SELECT  FROM job_costs"
    found = client.post("/sql/complete", data={"text": text, "at": "7"}).json()
    assert "cost" in " ".join(item["text"] for item in found["items"])


def test_statements_are_saved_shared_and_removed(served: Served) -> None:
    with closing(served.client(name="anna")) as anna, closing(served.client(name="berta")) as berta:
        saved = anna.post("/sql/save", data={"name": "Mine <b>", "q": BY_TYPE, "chart": "bar"})
        assert saved.status_code == 303
        assert ask_again(anna, saved.headers["location"])
        anna.post("/sql/save", data={"name": "Ours", "q": "SELECT 2", "shared": "true"})
        page, other = anna.get("/sql").text, berta.get("/sql").text
        assert "Mine &lt;b&gt;" in page
        assert "Ours" in page
        assert "Mine" not in other
        assert "by anna" in other
        ids = re.findall(r'action="/sql/forget" method="post"><input type="hidden" name="id" value="(\w+)"', page)
        assert len(ids) == 2
        assert berta.post("/sql/forget", data={"id": ids[0]}).status_code == 404
        anna.post("/sql/save", data={"name": "Ours", "q": "SELECT 3"})
        assert "Ours" not in berta.get("/sql").text, "the same name again replaces it, no more shared"
        for one in re.findall(r'name="id" value="(\w+)"', anna.get("/sql").text):
            assert anna.post("/sql/forget", data={"id": one}).status_code == 303
        assert "Mine" not in anna.get("/sql").text
        assert anna.post("/sql/save", data={"name": " ", "q": "SELECT 1"}).status_code == 400


def ask_again(client: httpx.Client, address: str) -> bool:
    return 'class="drawn bars"' in client.get(address).text


def test_what_is_saved_needs_the_right_and_a_page_of_ours(served: Served) -> None:
    with closing(served.client("network", "carla")) as carla:
        assert carla.post("/sql/save", data={"name": "x", "q": "SELECT 1"}).status_code == 403
    with closing(served.client()) as client:
        for origin in ("https://elsewhere.example", "null"):
            forged = client.post("/sql/save", data={"name": "x", "q": "SELECT 1"}, headers={"origin": origin})
            assert forged.status_code == 403


def test_out_of_reach_there_is_nothing(served: Served) -> None:
    with closing(served.client("far", "doris")) as doris:
        assert cells(ask(doris, "SELECT count(*) AS n FROM resources"))[0] == ["0"]
        assert JOB not in doris.get("/sql").text.replace(f"FROM {JOB}", "").replace(f"FROM+{JOB}", "")
        assert ACCOUNT not in ask(doris, "SELECT * FROM coverage_now")
        assert "not" in ask(doris, f"SELECT count(*) AS n FROM {JOB}")
        assert doris.get("/sql/columns", params={"table": JOB}).status_code == 404
    with closing(served.client("network", "carla")) as carla:
        page = carla.get("/sql").text
        assert 'data-table="aws_ec2_subnet"' in page
        assert f'data-table="{JOB}"' not in page
        text = "SELECT * FROM aws_"
        found = carla.post("/sql/complete", data={"text": text, "at": str(len(text))}).json()
        assert [item["text"] for item in found["items"] if item["text"].startswith("aws_sage")] == []
        exported = carla.get("/sql/export", params={"q": "SELECT DISTINCT type FROM resources", "form": "csv"})
        assert exported.text == "type\naws_ec2_subnet\n"


def test_a_token_needs_the_scope(served: Served) -> None:
    with served.stranger() as stranger:
        reading = {"authorization": f"Bearer {served.token('read')}"}
        for path in ("/sql?q=SELECT+1&run=1", "/sql/export?q=SELECT+1&form=csv"):
            assert stranger.get(path, headers=reading).status_code == 403
        both = {"authorization": f"Bearer {served.token('read', 'sql')}"}
        assert stranger.get("/sql/export?q=SELECT+1&form=csv", headers=both).status_code == 403
        assert stranger.get("/sql?q=SELECT+1&run=1").status_code == 401
