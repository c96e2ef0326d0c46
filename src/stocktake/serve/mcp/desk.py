"""What tools are given: the catalog, sandboxes for SQL, and how much an answer may take."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stocktake.core.clock import SystemClock
from stocktake.core.errors import StocktakeError, UserError
from stocktake.insights.names import named_in
from stocktake.insights.prices import read_prices
from stocktake.policies.exceptions import read_exceptions
from stocktake.policies.packs import read_packs
from stocktake.query.connection import open_reading
from stocktake.query.moments import parse_moment
from stocktake.serve.gate.deadlines import stopping
from stocktake.serve.gate.statements import Statements
from stocktake.serve.gate.visitor import visitor_of
from stocktake.serve.telling.arrow_rows import rows_of
from stocktake.serve.telling.values import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa

    from stocktake.core.clock import Clock
    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.rules import Pack
    from stocktake.query.reach import Reach
    from stocktake.query.sandbox import SqlLimits
    from stocktake.serve.gate.config import Role, ServerConfig
    from stocktake.store.catalog import Catalog

MOST_ROWS = 10_000
"""Of one answer, as in the API."""
ANSWER_BYTES = 400_000
"""Of one answer, as JSON, where nothing else is said: about a hundred thousand tokens."""


class Desk:
    """One server's own things. Safe to use from several threads."""

    def __init__(
        self, config: ServerConfig, role: Role, *, answer_bytes: int = ANSWER_BYTES, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._visitor = visitor_of("mcp", role, by="loopback")
        self._answer_bytes = answer_bytes
        self._clock = clock or SystemClock()
        self._statements = Statements(config)

    @property
    def reach(self) -> Reach:
        """Return what may be seen."""
        return self._visitor.reach

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return self._clock.now()

    def moment(self, said: str) -> datetime | None:
        """Return the moment that an argument names; None where it names none. Raises: UserError."""
        return parse_moment(said, self.now()) if said else None

    @contextmanager
    def reading(self) -> Iterator[Catalog]:
        """Open the catalog for questions, which are stopped when their time is over.

        Raises: what `open_reading` raises; SqlError (`question_timeout`).
        """
        with (
            open_reading(self._config.catalog, self._config.lock_wait_seconds) as catalog,
            stopping(catalog, self._config.limits.question_seconds),
        ):
            yield catalog

    def run_sql(
        self, sql: str, *, rows: int, seconds: float | None, as_of: datetime | None
    ) -> tuple[list[dict[str, str]], list[Any], bool]:
        """Run a statement of an agent's in a sandbox. Returns columns, rows, and whether rows were left out.

        Raises: SqlError, as `SqlWorker.run`; UserError.
        """
        with self.reading() as catalog:
            named = named_in(catalog, sql, self.prices, reach=self.reach)
        limits = self._limits(rows, seconds)
        with self._statements.run(self._visitor, sql, limits=limits, as_of=as_of, named=named) as answer:
            found = rows_of(answer.schema, answer)
            told: list[Any] = list(found.rows())
            truncated = answer.truncated
        return [{"name": one.name, "type": one.type} for one in found.columns], told, truncated

    def _limits(self, rows: int, seconds: float | None) -> SqlLimits:

        limits = self._statements.limits(rows=min(rows, MOST_ROWS), seconds=seconds)
        # Twice as much as may be told: what is too much is known before all of it was made.
        return replace(limits, result_bytes=min(limits.result_bytes, max(1_000_000, 2 * self._answer_bytes)))

    def told(self, answer: dict[str, Any]) -> str:
        """Return an answer as JSON. Raises: UserError (`answer_too_large`)."""
        text = to_json(answer)
        if len(text) > self._answer_bytes:
            raise UserError(
                f"The answer has {len(text):,} bytes, and {self._answer_bytes:,} are allowed",
                code="answer_too_large",
                hint="Ask for fewer rows, columns or facets, or for a part at a time.",
            )
        return text.decode()

    @cached_property
    def prices(self) -> pa.Table | None:
        """Return the prices; None where none were given. Raises: UserError for a file that is none."""
        if self._config.prices is None:
            return None

        return read_prices(self._config.prices)

    @cached_property
    def packs(self) -> tuple[Pack, ...]:
        """Return the packs of rules. Raises: UserError for a file that is none."""
        return read_packs(self._config.policies)

    @cached_property
    def exceptions(self) -> tuple[PolicyException, ...]:
        """Return the findings that somebody answers for. Raises: UserError for a file that has none."""
        if self._config.exceptions is None:
            return ()

        return read_exceptions(self._config.exceptions)

    def close(self) -> None:
        """End the sandboxes."""
        self._statements.close()


def told_error(error: StocktakeError) -> str:
    """Return an error as JSON, as the API has it."""
    return to_json(error.as_dict()).decode()
