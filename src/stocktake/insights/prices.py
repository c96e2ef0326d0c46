"""Prices that a user gives: a CSV or Parquet file, or AWS's own price list. Nothing here knows a price by itself."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from stocktake.core.errors import UserError
from stocktake.insights.price_list import read_price_list
from stocktake.insights.sql_text import text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_COLUMNS: dict[str, pa.DataType] = {
    "instance_type": pa.string(),
    "region": pa.string(),
    "per_hour": pa.float64(),
    "currency": pa.string(),
    "valid_from": pa.timestamp("us"),
    "valid_to": pa.timestamp("us"),
}
PRICE_SCHEMA = pa.schema(_COLUMNS)
"""region null: every region that no other row names. Times are UTC; null has no bound; `valid_to` itself is outside."""
NO_PRICES = PRICE_SCHEMA.empty_table()
_HINT = (
    "A price file has the columns instance_type, per_hour (or usd_per_hour) and, if wanted, region, currency, "
    "valid_from, valid_to."
)
_USD = "usd_per_hour"
_BEGINNING = datetime.min  # noqa: DTZ901 - naive UTC, as the catalog keeps times


def read_prices(path: Path) -> pa.Table:
    """Read a price file. Shape: `PRICE_SCHEMA`.

    CSV, Parquet, or JSON in the form of AWS's price list (a service's offer file).
    Raises: UserError where the file cannot be read, says nothing of prices, has more than one currency, or gives two
    prices for one moment.
    """
    try:
        rows = list(_rows(path))
    except OSError as error:
        raise UserError(
            f"The price file {path} cannot be read: {error.strerror or error}",
            code="prices_unreadable",
            hint="Name a file that this user may read.",
            where=str(path),
        ) from error
    except (pa.ArrowInvalid, orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise _bad(path, str(error).splitlines()[0]) from error
    if not rows:
        raise _bad(path, "it has no price")
    _check(path, rows)
    return pa.Table.from_pylist(_ends(path, rows), schema=PRICE_SCHEMA)


def prices_sql(prices: pa.Table) -> str:
    """Return a statement that has these prices as its rows. Shape: `PRICE_SCHEMA`."""
    kinds = ("VARCHAR", "VARCHAR", "DOUBLE", "VARCHAR", "TIMESTAMP", "TIMESTAMP")
    casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in zip(_COLUMNS, kinds, strict=True))
    rows = [f"({', '.join(map(_literal, row.values()))})" for row in prices.to_pylist()]
    nothing = f"({', '.join(['NULL'] * len(kinds))})"
    where = "" if rows else " WHERE false"
    return f"SELECT {casts} FROM (VALUES {', '.join(rows or [nothing])}) AS given({', '.join(_COLUMNS)}){where}"


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case float():
            return repr(value)
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case _:
            return text(str(value))


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    if path.suffix.lower() == ".json":
        yield from read_price_list(path)
        return
    if path.suffix.lower() == ".parquet":
        table = pq.read_table(path)
    else:
        # Every value as text first: what a column is should not depend on what stands in its first lines.
        options = pacsv.ConvertOptions(strings_can_be_null=True, null_values=["", "NULL", "null"])
        names = path.open(encoding="utf-8").readline().strip().split(",")
        options.column_types = {name.strip().strip('"'): pa.string() for name in names}
        table = pacsv.read_csv(path, convert_options=options)
    if "instance_type" not in table.column_names or not {"per_hour", _USD} & set(table.column_names):
        raise _bad(path, f"its columns are {', '.join(table.column_names)}")
    for number, row in enumerate(table.to_pylist(), start=2):
        yield _row(path, number, row)


def _row(path: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    price = row.get("per_hour") if row.get("per_hour") is not None else row.get(_USD)
    currency = row.get("currency") or ("USD" if row.get(_USD) is not None else None)
    try:
        return {
            "instance_type": str(row["instance_type"] or "").strip(),
            "region": None if row.get("region") in {None, "", "*"} else str(row["region"]).strip(),
            "per_hour": float(str(price)),
            "currency": currency,
            "valid_from": _moment(row.get("valid_from")),
            "valid_to": _moment(row.get("valid_to")),
        }
    except ValueError as error:
        raise _bad(path, f"row {number}: {error}") from error


def _moment(value: object) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - naive UTC, as the catalog keeps times
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _check(path: Path, rows: list[dict[str, Any]]) -> None:
    currencies = {row["currency"] for row in rows}
    if None in currencies:
        raise _bad(path, "a row says no currency")
    if len(currencies) > 1:
        raise _bad(path, f"it has several currencies ({', '.join(sorted(currencies))}), and sums need one")
    wrong = next((row for row in rows if not row["instance_type"] or not 0 <= row["per_hour"] < float("inf")), None)
    if wrong is not None:
        raise _bad(path, f"{wrong['instance_type'] or 'a row without an instance type'} costs {wrong['per_hour']}")


def _ends(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with an end: a price without one holds until the next of its kind begins."""
    by_key: dict[tuple[str, str | None], dict[datetime, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        begin = row["valid_from"] or _BEGINNING
        known = by_key[row["instance_type"], row["region"]].setdefault(begin, row)
        if known["per_hour"] != row["per_hour"]:
            raise _bad(path, f"{_what(row)} costs both {known['per_hour']:g} and {row['per_hour']:g}")
    ended: list[dict[str, Any]] = []
    for several in by_key.values():
        begins = sorted(several)
        for begin, following in zip(begins, [*begins[1:], None], strict=True):
            row = several[begin]
            end = row["valid_to"]
            if end is not None and end <= begin:
                raise _bad(path, f"{_what(row)}: its valid_to is not after its valid_from")
            if end is not None and following is not None and end > following:
                raise _bad(path, f"{_what(row)}: it still holds when the next one begins")
            ended.append(row | {"valid_to": end or following})
    return ended


def _what(row: dict[str, Any]) -> str:
    where = f" in {row['region']}" if row["region"] else ""
    return f"{row['instance_type']}{where} from {row['valid_from'] or 'the beginning'}"


def _bad(path: Path, what: str) -> UserError:
    return UserError(f"{path} is no price file: {what}", code="bad_prices", hint=_HINT, where=str(path))
