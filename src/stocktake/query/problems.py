"""What the database says is wrong with a statement, in our words, with the place marked."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from stocktake.core.errors import FatalError
from stocktake.query.errors import SqlError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The longest part of a line that is shown around the marked place.
_EXCERPT_WIDTH = 100
_LESS = "Ask for fewer rows or columns, or aggregate first."
# The first class that fits decides; `duckdb.Error` is the root of them all.
_CODES: tuple[tuple[type[duckdb.Error], str, str], ...] = (
    (duckdb.ParserException, "sql_syntax", "Correct the statement at the marked place."),
    (duckdb.CatalogException, "sql_unknown_name", "`stocktake query 'SHOW TABLES'` lists the tables and views."),
    (duckdb.BinderException, "sql_binding", "`stocktake query 'DESCRIBE <table>'` lists a table's columns and types."),
    (duckdb.PermissionException, "sql_denied", "A query reads the catalog only: no other file, no network."),
    (duckdb.ConversionException, "sql_value", "try_cast(x AS type) gives null where a value does not fit."),
    (duckdb.OutOfRangeException, "sql_value", "try_cast(x AS type) gives null where a value does not fit."),
    (duckdb.OutOfMemoryException, "sql_out_of_memory", _LESS),
    (duckdb.Error, "sql_failed", "Change the statement; --debug shows the database's own words."),
)
# What the database adds to its message are settings, which nobody can change here.
_END_OF_MESSAGE = re.compile(
    r"\nCandidate bindings:|\nDid you mean|\n?Possible solutions|\n?Database is launched in|\n?See also http"
)
_NO_MEMORY = re.compile(r"failed to allocate|bad.alloc|[Cc]annot allocate memory")
_READ_ONLY_HINT = "A query only reads: SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, SUMMARIZE, PIVOT or EXPLAIN."


@contextmanager
def translating_sql(sql: str, *, shift: int = 0) -> Iterator[None]:
    """Turn the database's errors about a statement into SqlError.

    `shift` is where the statement that ran begins in `sql`, in bytes.
    """
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except (duckdb.FatalException, duckdb.InternalException) as error:
        raise FatalError(
            f"The database gave up on this statement: {_facts(error)['exception_message']}",
            code="database_failed",
            hint="The catalog was opened for reading only and is unharmed. --debug shows the whole error.",
        ) from error
    except duckdb.Error as error:
        raise sql_error(sql, error, shift=shift) from error


def sql_error(sql: str, error: duckdb.Error, *, shift: int = 0) -> SqlError:
    """Say what a database error means, and where in the statement."""
    facts = _facts(error)
    told, _, functions = facts["exception_message"].partition("\n\tCandidate functions:\n")
    message = " ".join(_END_OF_MESSAGE.split(told)[0].split())
    code, hint = next((code, hint) for kind, code, hint in _CODES if isinstance(error, kind))
    if _NO_MEMORY.search(message):
        code, hint = "sql_out_of_memory", _LESS
    if code == "sql_binding" and facts.get("error_subtype") == "COLUMN_NOT_FOUND":
        code = "sql_unknown_name"
    if "read-only" in message or "has been locked" in message:
        code, hint = "not_read_only", _READ_ONLY_HINT
    if functions.strip():
        hint = f"There are: {', '.join(line.strip() for line in functions.splitlines() if line.strip())}"
    candidates = [name for name in facts.get("candidates", "").split(",") if name]
    if candidates and code == "sql_unknown_name":
        hint = f"Did you mean {', '.join(candidates)}? {hint}"
    place, excerpt = _mark(sql, facts, shift)
    return SqlError(message, code=code, hint=hint, where=place, excerpt=excerpt)


def _facts(error: duckdb.Error) -> dict[str, str]:
    """Return the error's own facts; they are JSON after its class, since the connection was opened so."""
    text = str(error)
    _, _, rest = text.partition(": ")
    try:
        facts = json.loads(rest)
    except ValueError:
        facts = None
    if isinstance(facts, dict) and "exception_message" in facts:
        return {str(key): str(value) for key, value in facts.items()}
    return {"exception_message": text}


def _mark(sql: str, facts: dict[str, str], shift: int) -> tuple[str, str]:
    """Return the place in words, and the line with the place underlined."""
    location = facts.get("location") or f"[{facts['position']},1]" if "position" in facts else ""
    if not location:
        return "", ""
    start, length = (int(number) for number in json.loads(location))
    start += shift
    data = sql.encode()
    if not 0 <= start <= len(data):
        return "", ""
    before = data[:start].decode(errors="ignore")
    marked = data[start : start + length].decode(errors="ignore").split("\n")[0]
    line_number = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1)
    line = sql.split("\n")[line_number - 1].expandtabs(1).rstrip("\r")
    first = max(0, column - _EXCERPT_WIDTH // 2)
    shown = line[first : first + _EXCERPT_WIDTH]
    head = "..." if first else ""
    tail = "..." if first + _EXCERPT_WIDTH < len(line) else ""
    carets = "^" * max(1, min(len(marked), len(shown) - (column - first)))
    excerpt = f"{head}{shown}{tail}\n{' ' * (len(head) + column - first)}{carets}"
    return f"line {line_number}, column {column + 1}", excerpt
