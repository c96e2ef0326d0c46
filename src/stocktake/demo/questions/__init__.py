"""Questions that the demo answers: one SQL file each, its first line the question, its second how it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from stocktake.demo.instances import prices


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words and in SQL."""

    name: str
    title: str
    note: str
    sql: str


def read_questions() -> list[Question]:
    """Return the questions in order; where they ask for prices, the invented ones are written into the statement."""
    files = sorted(
        (file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [_question(file.name.removesuffix(".sql").split("_", 1)[1], file.read_text()) for file in files]


def _question(name: str, text: str) -> Question:
    title, note, sql = text.split("\n", 2)
    if "JOIN price" in sql:
        rows = ", ".join(f"('{kind}', {usd})" for kind, usd in sorted(prices().items()))
        sql = sql.replace("WITH ", f"WITH price(instance_type, usd_per_hour) AS (VALUES {rows}),\n", 1)
    return Question(name, title.removeprefix("-- "), note.removeprefix("-- "), sql)
