"""What handlers are given: the catalog opened for questions, SQL sandboxes, prices, rules, what the server keeps."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.requests import Request

from stocktake.core.clock import SystemClock
from stocktake.serve.gate.audit import Audit
from stocktake.serve.gate.own_store import OwnStore
from stocktake.serve.gate.sessions import Sessions
from stocktake.serve.gate.statements import Statements
from stocktake.serve.gate.syncs import Syncs
from stocktake.serve.gate.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from stocktake.core.clock import Clock
    from stocktake.policies.exceptions import PolicyException
    from stocktake.policies.rules import Pack
    from stocktake.serve.gate.config import ServerConfig
    from stocktake.serve.gate.oidc import OidcLogin
    from stocktake.store.catalog import Catalog

_IDLE_KEPT = 4
_FRESH_SECONDS = 30.0
POLICY = "policy"
"""The kind of document that is a pack of rules in TOML, made in the browser: `{"name": …, "text": …}`."""


class House:
    """One server's own things. Safe to use from several threads."""

    def __init__(self, config: ServerConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.own = OwnStore(config.beside("server.sqlite"))
        self.sessions = Sessions(self.own, config.session_hours)
        self.tokens = Tokens(self.own)
        self.audit = Audit(config.beside("audit.ndjson") if config.audit else None)
        self.started_at = time.time()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, AbstractContextManager[Catalog], Catalog]] = deque()
        self._is_closed = False

    @property
    def catalog(self) -> Path:
        """Return the catalog's file."""
        return self.config.catalog

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return self._clock.now()

    @contextmanager
    def reading(self) -> Iterator[Catalog]:
        """Open the catalog for questions of one thread, and let it go again.

        A question is stopped after `limits.question_seconds`. Raises: what `open_reading` raises; SqlError
        (`question_timeout`).
        """
        from stocktake.serve.gate.deadlines import stopping

        opened, catalog = self._take()
        is_whole = False
        try:
            with stopping(catalog, self.config.limits.question_seconds):
                yield catalog
            is_whole = True
        finally:
            if not (is_whole and self._put_back(opened, catalog)):
                opened.__exit__(None, None, None)

    def _take(self) -> tuple[AbstractContextManager[Catalog], Catalog]:
        from stocktake.query.connection import open_reading

        with self._lock:
            if self._idle:
                _, opened, catalog = self._idle.pop()
                return opened, catalog
        opened = open_reading(self.config.catalog, self.config.lock_wait_seconds)
        return opened, opened.__enter__()

    def _put_back(self, opened: AbstractContextManager[Catalog], catalog: Catalog) -> bool:
        """Keep it for the next one. Not where another process has it open: there, it shows one state for good."""
        from stocktake.query.connection import is_read_here

        if not is_read_here(catalog):
            return False
        with self._lock:
            if self._is_closed or len(self._idle) >= _IDLE_KEPT:
                return False
            self._idle.append((time.monotonic(), opened, catalog))
        return True

    @cached_property
    def sql(self) -> Statements:
        """Return the sandboxes for SQL of visitors; the first statement starts them."""
        return Statements(self.config)

    @cached_property
    def syncs(self) -> Syncs:
        """Return the syncs that were started here."""
        return Syncs(self.config, self._clock)

    @cached_property
    def oidc(self) -> OidcLogin | None:
        """Return the provider to log in with; None where none is set up."""
        if self.config.oidc is None:
            return None
        from stocktake.serve.gate.oidc import OidcLogin

        return OidcLogin(self.config, self.config.oidc)

    @cached_property
    def prices(self) -> pa.Table | None:
        """Return the prices; None where none were given. Raises: UserError for a file that is none."""
        if self.config.prices is None:
            return None
        from stocktake.insights.prices import read_prices

        return read_prices(self.config.prices)

    def rules(self) -> tuple[Pack, ...]:
        """Return the packs of rules: ours, those of files, and those that were made in the browser.

        Raises: UserError for a file that is none.
        """
        from stocktake.policies.packs import read_packs
        from stocktake.policies.rules import parse_pack

        packs = read_packs(self.config.policies)
        made = (
            parse_pack(one.body["name"], one.body["text"], f"policy {one.body['name']}")
            for one in self.own.list(POLICY, limit=1_000)
        )
        return (*packs, *made)

    def exceptions(self) -> tuple[PolicyException, ...]:
        """Return the exceptions to rules. Raises: UserError for a file that is none."""
        if self.config.exceptions is None:
            return ()
        from stocktake.policies.exceptions import read_exceptions

        return read_exceptions(self.config.exceptions)

    def close(self) -> None:
        """Let everything go."""
        with self._lock:
            self._is_closed = True
            idle = list(self._idle)
            self._idle.clear()
        for _, opened, _catalog in idle:
            opened.__exit__(None, None, None)
        if "syncs" in vars(self):
            self.syncs.close()
        if "sql" in vars(self):
            self.sql.close()


def house(request: Request) -> House:
    """Return the server's own things: a dependency for handlers."""
    found: House = request.app.state.house
    return found
