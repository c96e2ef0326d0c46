"""SQL of somebody who may not see everything: no statement, however it is written, comes to what is out of reach."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reach_estate import ACCOUNTS, HOUR, JOB, REACHES, SWEEPS, T0, write_estate
from stocktake.core.errors import FatalError, StocktakeError
from stocktake.insights.names import named_in
from stocktake.query.connection import open_reading
from stocktake.query.reach import EVERYTHING, Reach
from stocktake.query.sandbox import SqlLimits, SqlWorker
from stocktake.query.within import is_hidden, within
from stocktake.query.within_tables import PLACES, UNPLACED
from stocktake.store.catalog import open_catalog, run

ATTACKS: dict[str, str] = tomllib.loads((Path(__file__).parent / "reach_attacks.toml").read_text())
AMPLE = SqlLimits(seconds=300)
"""A busy machine's."""
OWNER = """
import sys
from pathlib import Path
from stocktake.query import serving
from stocktake.store.owner import CatalogOwner, join_catalog

joined = join_catalog(Path(sys.argv[1]), "write", "0", wait_seconds=60)
serving.lock_down(joined.catalog)
owner = CatalogOwner(joined.catalog, joined.turn, {serving.READ: serving.serve_reader})
print("ready", flush=True)
sys.stdin.read()
owner.close()
joined.catalog.close()
owner.release()
"""
BY_ACCOUNT, BY_TYPE = REACHES[0], REACHES[2]
SECRETS = {
    # What only resources of the other account have: its tags, and the ledger's word on it.
    BY_ACCOUNT: (f"secret-{ACCOUNTS[1]}", "alpha-6", f"not in {ACCOUNTS[1]}", f"role/beta-{ACCOUNTS[1]}"),
    # What only resources of other types have.
    BY_TYPE: ("look 0", "look 1", "list:aws_sqs_queue", "kms_master_key_id"),
}


# Besides those that name another type.
OF_TYPES = {
    "resources",
    "tag values",
    "coverage",
    "aside",
    "changes",
    "list of all tables",
    "duckdb_columns",
    "search table",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reach")
    write_estate(folder / "whole.duckdb", SWEEPS)
    write_estate(folder / "only.duckdb", SWEEPS, BY_ACCOUNT)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> Iterator[SqlWorker]:
    with SqlWorker(folder / "whole.duckdb") as worker:
        yield worker


@pytest.fixture(scope="module")
def only(folder: Path) -> Iterator[SqlWorker]:
    with SqlWorker(folder / "only.duckdb") as worker:
        yield worker


def told(worker: SqlWorker, path: Path, sql: str, reach: Reach, *, as_of: datetime | None = None) -> str:
    """Return all that somebody is told: rows, or the error with its hint and place."""
    text = sql.replace("%CATALOG%", str(path))
    parameters = {"name": "aws_iam_role"} if "$name" in text else None
    with open_reading(path) as catalog:
        named = named_in(catalog, text, reach=reach)
    try:
        answer = worker.run(text, parameters, AMPLE, as_of=as_of, named=named, reach=reach)
        said: Any = [answer.schema.names, sorted(map(str, answer.read_all().to_pylist()))]
    except StocktakeError as error:
        said = [error.code, error.message, error.hint, getattr(error, "excerpt", "")]
    # Times of sweeps have the number of the write in them, a plan how long it took.
    plain = re.sub(r"\d{2}:00:00\.\d{6}|, 0, 0, \d+\)|\d+\.\d+s|UUID\S+", "", str(said).replace(str(path), "CATALOG"))
    return re.sub(r"microsecond=\d+|, \d+, tzinfo|(?<=2026, 1, 1, \d, )0(, 0, \d+)?", "", plain)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, folder: Path, whole: SqlWorker, only: SqlWorker) -> None:
    found = told(whole, folder / "whole.duckdb", ATTACKS[name], BY_ACCOUNT)
    assert not [word for word in SECRETS[BY_ACCOUNT] if word in found]
    if "ANALYZE" not in ATTACKS[name]:
        assert found == told(only, folder / "only.duckdb", ATTACKS[name], BY_ACCOUNT)


@pytest.mark.parametrize("name", [name for name, sql in ATTACKS.items() if "iam_role" in sql or name in OF_TYPES])
def test_attack_on_another_type(name: str, folder: Path, whole: SqlWorker) -> None:
    found = told(whole, folder / "whole.duckdb", ATTACKS[name], BY_TYPE)
    assert not [word for word in SECRETS[BY_TYPE] if word in found]


def test_what_was_refused_is_there_for_who_may_see_it(folder: Path, whole: SqlWorker) -> None:
    assert "look 0" in told(whole, folder / "whole.duckdb", ATTACKS["all versions"], EVERYTHING)
    assert f"secret-{ACCOUNTS[1]}" in told(whole, folder / "whole.duckdb", ATTACKS["tag keys"], EVERYTHING)
    assert f"not in {ACCOUNTS[1]}" in told(whole, folder / "whole.duckdb", ATTACKS["coverage"], EVERYTHING)


def test_about_a_moment(folder: Path, whole: SqlWorker) -> None:
    sql = f"SELECT count(*) AS n, string_agg(account_id) AS who FROM {JOB}"
    ask = partial(told, whole, folder / "whole.duckdb", sql, as_of=T0 + HOUR / 2)
    assert "'n': 1" in ask(BY_ACCOUNT)
    assert "'n': 2" in ask(EVERYTHING)
    assert "sql_unknown_name" in ask(Reach(types=("aws_ec2_*",)))


def test_while_another_process_has_the_catalog(folder: Path, whole: SqlWorker) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder / "whole.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    try:
        assert owner.stdout.readline() == "ready\n"
        for name in ("plain", "resources", "tag keys", "relations back", "list of tables"):
            found = told(whole, folder / "whole.duckdb", ATTACKS[name], BY_ACCOUNT)
            assert not [word for word in SECRETS[BY_ACCOUNT] if word in found]
            assert ACCOUNTS[0] in found or name == "list of tables"
    finally:
        owner.stdin.close()
        assert owner.wait(120) == 0


def test_every_table_has_its_place(folder: Path) -> None:
    """A table that a migration adds has to be said to be whose it is: until then nobody is told of it."""
    assert not UNPLACED
    with open_catalog(folder / "whole.duckdb", read_only=True) as catalog:
        names = {str(row[0]) for row in run(catalog.connection, "SELECT table_name FROM information_schema.tables")}
        near = within(catalog, BY_TYPE)
        shown = {name for name in names if not is_hidden(near, name)}
        assert shown == {*PLACES, JOB, f"{JOB}_history", "sagemaker_trainingjob"} - {"sagemaker_trainingjob"}
        for name in sorted(PLACES):
            run(near.connection, f"SELECT count(*) FROM {name}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM main.resources",
        f"SELECT * FROM aws.{JOB.removeprefix('aws_')}",
        "WITH resources AS (SELECT * FROM resources) FROM resources",
        "WITH a AS (FROM resources), resources AS (SELECT 1) FROM a",
    ],
)
def test_a_statement_of_ours_that_cannot_be_covered_is_a_mistake_and_tells_nothing(folder: Path, sql: str) -> None:
    with open_catalog(folder / "whole.duckdb", read_only=True) as catalog, pytest.raises(FatalError) as raised:
        run(within(catalog, BY_ACCOUNT).connection, sql)
    assert raised.value.code == "reach_unclear"


def test_what_says_nothing_of_a_part_is_not_taken_for_all() -> None:
    assert Reach.from_dict(BY_ACCOUNT.as_dict()) == BY_ACCOUNT
    assert Reach.from_dict(EVERYTHING.as_dict()).is_everything
    with pytest.raises(KeyError):
        Reach.from_dict({"accounts": None})
    assert not Reach(frozenset()).is_everything
    assert not Reach(types=()).is_everything


@pytest.mark.parametrize(
    ("types", "name", "expected"),
    [
        (("aws_iam_*",), "aws_iam_role", True),
        (("aws_iam_*",), "aws_iamx_role", False),
        (("aws_i_m_role",), "aws_iam_role", False),
        (("%",), "aws_iam_role", False),
        (("*role",), "aws_iam_role", True),
        (("aws_iam_rol?",), "aws_iam_role", False),
        (("aws_iam_role' OR '1'='1",), "aws_iam_role", False),
        ((), "aws_iam_role", False),
        (None, "aws_iam_role", True),
    ],
)
def test_types_are_those_that_a_pattern_names(
    folder: Path, types: tuple[str, ...] | None, name: str, *, expected: bool
) -> None:
    reach = Reach(types=types)
    assert reach.has_type(name) is expected
    with open_catalog(folder / "whole.duckdb", read_only=True) as catalog:
        [(found,)] = run(catalog.connection, f"SELECT $name <> '' AND {reach.type_condition('$name')}", {"name": name})
    assert found is expected
