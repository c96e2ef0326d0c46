"""What somebody keeps of the catalog page: views (all of its state) and sets of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from stocktake.serve.web.views.catalog_state import CatalogState, read_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.serve.gate.own_store import Document

KINDS = ("view", "columns")


def state_of(address: str) -> CatalogState:
    """Return the state that an address of the catalog page has; another site's or page's address is taken for none."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and parts.path == "/"
    return read_state(parse_qsl(parts.query)) if is_ours else CatalogState()


def body_of(kind: str, name: str, state: CatalogState) -> dict[str, Any]:
    """Return what is kept."""
    if kind == "columns":
        return {"name": name, "columns": list(state.columns)}
    return {"name": name, "address": state.address(), "sql": ""}


def saved_rows(documents: Iterable[Document]) -> list[dict[str, Any]]:
    """Return what is kept as the menus show it, by name."""
    rows = []
    for one in documents:
        row: dict[str, Any] = {"id": one.id, "kind": one.kind, "name": str(one.body.get("name", ""))}
        if one.kind == "columns":
            row["columns"] = tuple(map(str, one.body.get("columns", ())))
        else:
            # Written anew, so that nothing but an address of this page can stand there.
            row["address"] = state_of(str(one.body.get("address", ""))).address()
        rows.append(row)
    return sorted(rows, key=lambda row: str(row["name"]).lower())
