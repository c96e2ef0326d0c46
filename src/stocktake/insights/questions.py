"""Questions that people ask of jobs, by name: one SQL file each in `questions/`, with its title and parameters above.

A file begins with comments `-- key: value`. Keys: `title` and `about`, which say what is asked and how it is answered;
`topic`; `needs`, the types beside training jobs that the answer takes; and `param: name kind default | meaning`, where
the kind is integer, text or moment. `$name` in the statement is the parameter's value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError
from stocktake.insights.held import held_types, require_types
from stocktake.insights.names import ask
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.runner import run_query
from stocktake.query.within import within

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from stocktake.query.result import Result
    from stocktake.store.catalog import Catalog

_TYPE = "aws_sagemaker_trainingjob"
_NEWEST = "newest"
_HEAD = re.compile(r"-- ([a-z]+): (.*)")
_PARAMETER = re.compile(r"([a-z_]+) (integer|text|moment) (\S+) \| (.+)")
_USED = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question can be told."""

    name: str
    kind: str
    default: str
    about: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words and in SQL."""

    name: str
    title: str
    about: str
    topic: str
    sql: str
    needs: tuple[str, ...]
    """Types that must be held."""
    parameters: tuple[Parameter, ...]


@cache
def read_questions() -> dict[str, Question]:
    """Return the questions by name."""
    folder = files("stocktake.insights") / "questions"
    found = [(file.name.removesuffix(".sql"), file) for file in folder.iterdir() if file.name.endswith(".sql")]
    return {name: parse_question(name, file.read_text("utf-8")) for name, file in sorted(found, key=lambda one: one[0])}


def find_question(name: str) -> Question:
    """Return a question by its name. Raises: UserError where there is none."""
    questions = read_questions()
    wanted = name.lower().replace("-", "_")
    if wanted in questions:
        return questions[wanted]
    near = [known for known in questions if set(wanted.split("_")) & set(known.split("_"))]
    raise UserError(
        f"There is no question {name!r}",
        code="unknown_question",
        hint=f"Did you mean {', '.join(near[:5])}?" if near else "`stocktake ask --list` lists them.",
    )


def answer(
    catalog: Catalog,
    question: Question,
    given: Mapping[str, str],
    prices: pa.Table | None = None,
    *,
    reach: Reach = EVERYTHING,
) -> Result:
    """Answer a question. `given`: values of its parameters, as texts; others have their defaults.

    Raises: UserError for a parameter that it does not have, a value that is none, and where a type is not held.
    """
    catalog = within(catalog, reach)
    unknown = sorted(set(given) - {one.name for one in question.parameters})
    if unknown:
        there = ", ".join(one.name for one in question.parameters) or "none"
        raise UserError(
            f"The question {question.name} has no parameter {unknown[0]!r}",
            code="unknown_parameter",
            hint=f"Its parameters: {there}.",
        )
    require_types(held_types(catalog), question.needs, f"The question {question.name}")
    values = {one.name: _value(catalog, one, given.get(one.name, one.default)) for one in question.parameters}
    return ask(catalog, question.sql, values or None, prices=prices)


def parse_question(name: str, text: str) -> Question:
    """Return the question of a file."""
    head: list[tuple[str, str]] = []
    lines = text.splitlines()
    while lines and (found := _HEAD.fullmatch(lines[0])):
        head.append((found[1], found[2]))
        del lines[0]
    said = dict(head)
    sql = "\n".join(lines).strip()
    parameters = tuple(_parameter(name, value) for key, value in head if key == "param")
    used = set(_USED.findall(sql))
    if used != {one.name for one in parameters}:
        raise ValueError(f"{name}: the statement uses {sorted(used)}, the parameters are {parameters}")
    return Question(
        name, said["title"], said["about"], said["topic"], sql,
        (_TYPE, *filter(None, said.get("needs", "").replace(" ", "").split(","))), parameters,
    )  # fmt: skip


def _parameter(question: str, text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"{question}: no parameter can be read from {text!r}")
    name, kind, default, about = found.groups()
    return Parameter(name, kind, default.strip("'"), about)


def _value(catalog: Catalog, parameter: Parameter, said: str) -> int | str | datetime:
    try:
        match parameter.kind:
            case "integer":
                return int(said)
            case "moment":
                return _newest(catalog) if said == _NEWEST else _moment(said)
            case _:
                return said
    except ValueError as error:
        raise UserError(
            f"{said!r} is no {parameter.kind} for {parameter.name}",
            code="bad_parameter",
            hint="Write a whole number."
            if parameter.kind == "integer"
            else "Write 2026-01-31 or 2026-01-31T12:00:00Z.",
            where=parameter.name,
        ) from error


def _moment(said: str) -> datetime:
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _newest(catalog: Catalog) -> datetime:
    """Return the last change that any job shows; the first moment of 1970 where there is no job."""
    [[found]] = run_query(catalog, f"SELECT max(last_modified_time) FROM {_TYPE}").rows()
    return found if isinstance(found, datetime) else datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
