"""What the SQL page shows of a statement and of its answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stocktake.serve.telling.values import to_text, to_visible
from stocktake.serve.web.pictures.result_chart import KINDS, Chart, draw_rows, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stocktake.core.errors import StocktakeError
    from stocktake.query.result import Column
    from stocktake.query.schema_tree import TreeTable

ROWS = (100, 1_000, 5_000)
"""How many rows may be shown; an export has more."""
_LONGEST_CELL = 400
_NO_CHART = "none"
_BY_TYPE = "SELECT type, count(*) AS resources FROM resources GROUP BY type ORDER BY resources DESC"
_BY_STATE = """
SELECT training_job_status AS status, resource_config.instance_type AS instance, count(*) AS jobs
FROM aws_sagemaker_trainingjob
GROUP BY ALL ORDER BY jobs DESC
"""
_BY_DAY = """
SELECT date_trunc('day', creation_time) AS day, count(*) AS jobs
FROM aws_sagemaker_trainingjob
GROUP BY day ORDER BY day
"""
_GAPS = """
SELECT type, account_id, region, status, missing_permission
FROM coverage_now
WHERE status <> 'complete' ORDER BY ALL
"""
EXAMPLES = (
    ("Resources by type", _BY_TYPE),
    ("Training jobs by state and instance", _BY_STATE.strip()),
    ("Training jobs by day", _BY_DAY.strip()),
    ("What could not be read", _GAPS.strip()),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is in the page's address."""

    sql: str = ""
    as_of: str = ""
    rows: int = ROWS[1]
    seconds: float = 0.0
    """0: as long as the server allows."""
    chart: str = ""
    """bar, line, none; '' for what fits."""
    x: str = ""
    y: str = ""

    def parameters(self, *, run: bool = False) -> dict[str, object]:
        """Return the address's parameters; what is as without a word is left out."""
        return {
            "q": self.sql,
            "as_of": self.as_of,
            "rows": self.rows if self.rows != ROWS[1] else None,
            "seconds": f"{self.seconds:g}" if self.seconds else None,
            "chart": self.chart,
            "x": self.x,
            "y": self.y,
            "run": run,
        }


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is shown."""

    text: str
    is_null: bool = False
    key: str = ""
    """A resource that it names: an ARN."""
    rest: str = ""
    """All of it, where `text` is cut."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer."""

    asked: Asked
    columns: tuple[Column, ...] = ()
    numeric: frozenset[int] = frozenset()
    rows: tuple[tuple[Cell, ...], ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    problem: StocktakeError | None = None
    chart: Chart | None = None
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Columns that a picture can have across and along."""


def show_rows(
    asked: Asked, columns: Sequence[Column], rows: Sequence[Sequence[Any]], *, truncated: bool, seconds: float
) -> Shown:
    """Return an answer with its picture."""
    names = [column.name for column in columns]
    drawn = numbers_of(names, rows)
    chart = draw_rows(names, rows, kind=asked.chart, x=asked.x, y=asked.y) if asked.chart != _NO_CHART else None
    return Shown(
        asked,
        tuple(columns),
        frozenset(at for at, name in enumerate(names) if name in drawn),
        tuple(tuple(_cell(value) for value in row) for row in rows),
        truncated,
        seconds,
        chart=chart,
        choices={"x": names, "y": list(drawn)} if drawn and len(rows) > 1 else {},
    )


def chart_links(shown: Shown) -> list[tuple[str, dict[str, object], bool]]:
    """Return the kinds of picture to choose from: word, the address's parameters, and whether it is the one shown."""
    now = _NO_CHART if shown.chart is None else shown.chart.kind
    kinds = [("Bars", "bar"), ("Lines", "line"), ("No chart", _NO_CHART)]
    assert {kind for _, kind in kinds} == {*KINDS, _NO_CHART}  # noqa: S101 - a kind without a word could not be chosen
    return [(word, replace(shown.asked, chart=kind).parameters(run=True), kind == now) for word, kind in kinds]


def tree_groups(tables: Iterable[TreeTable]) -> list[tuple[str, list[TreeTable]]]:
    """Return the tables by what they are of: all types, ours, each service."""
    groups: dict[str, list[TreeTable]] = {}
    for table in tables:
        name = {"shared": "All types", "derived": "Derived"}.get(table.kind, table.service)
        groups.setdefault(name, []).append(table)
    return list(groups.items())


def _cell(value: Any) -> Cell:  # noqa: ANN401 - any value
    if value is None:
        return Cell("", is_null=True)
    text = to_visible(to_text(value))
    key = value if isinstance(value, str) and value.startswith("arn:") else ""
    if len(text) > _LONGEST_CELL:
        return Cell(text[:_LONGEST_CELL] + "…", key=key, rest=text)
    return Cell(text, key=key)
