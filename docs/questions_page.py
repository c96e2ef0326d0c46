"""Make docs/questions.md: every question with its answer on a simulated estate. `make docs` runs it."""  # noqa: INP001 - a script beside the pages that it makes

from __future__ import annotations

import itertools
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.core.progress import Silent
from stocktake.insights.prices import read_prices
from stocktake.insights.questions import Question, answer, read_questions
from stocktake.query.connection import open_reading
from stocktake.query.result import Result
from stocktake.serve.cli.destination import Destination
from stocktake.serve.cli.rows import write_rows
from stocktake.serve.cli.simulation import profiles, simulated_cloud
from stocktake.sync import SyncRequest, run_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "questions.md"
JOBS, ACCOUNTS, REGIONS = 2_400, 2, ("us-east-1",)
TYPES = (
    "aws_sagemaker_trainingjob", "aws_sagemaker_hyperparametertuningjob", "aws_sagemaker_model",
    "aws_sagemaker_modelpackage", "aws_sagemaker_endpoint", "aws_sagemaker_endpointconfig", "aws_iam_role",
    "aws_s3_bucket", "aws_kms_key", "aws_kms_alias", "aws_ecr_repository", "aws_ecr_image", "aws_ec2_subnet",
)  # fmt: skip
_ROWS = 5
_WIDTH = 60
_BEGIN, _END = "<!-- questions -->", "<!-- end of questions -->"


@dataclass(frozen=True)
class ReadEstate:
    """A catalog of the simulated estate, what is true of its jobs, and the invented prices."""

    catalog: Path
    truth: list[dict[str, Any]]
    prices: Path


@contextmanager
def read_estate(folder: Path) -> Iterator[ReadEstate]:
    """Read the estate that the page tells of into a catalog in this folder."""
    path = folder / "catalog.duckdb"
    with simulated_cloud(JOBS, ACCOUNTS, REGIONS, 0.0, 0) as cloud:
        with profiles(cloud.accounts) as names:
            request = SyncRequest(
                catalog=path, types=TYPES, regions=REGIONS, profiles=names, endpoint_url=cloud.endpoint_url
            )
            run_sync(request, Silent())
        with as_file(files("stocktake.demo") / "prices.csv") as prices:
            yield ReadEstate(path, cloud.truth(), prices)


def render(estate: ReadEstate) -> str:
    """Return all questions with their answers, by topic."""
    prices = read_prices(estate.prices)
    parts: list[str] = []
    known = sorted(read_questions().values(), key=lambda one: (one.topic, one.name))
    with open_reading(estate.catalog) as catalog:
        for topic, questions in itertools.groupby(known, key=lambda one: one.topic):
            parts.append(f"## {topic.capitalize()}")
            parts += [_section(one, answer(catalog, one, {}, prices)) for one in questions]
    return "\n\n".join(parts)


def renew(text: str, estate: ReadEstate) -> str:
    """Return the page with its questions as they are now."""
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{render(estate)}\n\n{_END}{rest.partition(_END)[2]}"


def _section(question: Question, result: Result) -> str:
    lines = [f"### {question.title}", f"`stocktake ask {question.name}` · {question.about}"]
    if question.parameters:
        told = "; ".join(f"`{one.name}` ({one.default or 'empty'}): {one.about}" for one in question.parameters)
        lines.append(f"Parameters: {told}.")
    rows = list(result.rows())
    if not rows:
        lines.append("On the estate: none.")
        return "\n\n".join(lines)
    shown = [tuple(_short(value) for value in row) for row in rows[:_ROWS]]
    lines.append(_table(Result(result.columns, [shown])))
    if len(rows) > _ROWS:
        lines.append(f"… and {len(rows) - _ROWS} more rows.")
    return "\n\n".join(lines)


def _table(result: Result) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answer.md"
        write_rows(result, Destination("md", file))
        return file.read_text(encoding="utf-8").rstrip()


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > _WIDTH:
        return value[: _WIDTH - 1] + "…"
    if isinstance(value, list):
        return ", ".join(str(_short(one)) for one in value[:2]) + (", …" if len(value) > 2 else "")
    return value


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, read_estate(Path(folder)) as estate:
        PAGE.write_text(renew(PAGE.read_text(encoding="utf-8"), estate), encoding="utf-8")
