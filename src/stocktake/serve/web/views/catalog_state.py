"""What the catalog page shows, as its address says: every choice is in it, so that it can be kept and sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stocktake.serve.web.rendering import with_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FACETS = ("service", "type", "account_id", "region", "state", "stale")
"""Always counted; others are pinned."""
LIMITS = (25, 50, 100, 200)
_CHOICE = "f."
_PANEL = "panel."
_MOST = 40
"""So many facets or columns at most: an address has its bounds."""
DEFAULT_SORT = "-changed_at"


@dataclass(frozen=True, slots=True)
class CatalogState:
    """All that may be chosen."""

    q: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()
    group: str = ""
    columns: tuple[str, ...] = ()
    """Empty: those that fit what is found."""
    sort: str = DEFAULT_SORT
    after: str = ""
    limit: int = 50
    as_of: str = ""
    deleted: bool = False
    view: str = ""
    """map: the groups as areas; else a list."""
    panel: str = ""
    panel_parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def facets(self) -> tuple[str, ...]:
        """Return all keys that are counted by, pinned ones first."""
        return tuple(dict.fromkeys((*self.pinned, *FACETS, *self.chosen)))

    @property
    def grouped_by(self) -> str:
        """Return what is grouped by: areas need something."""
        return self.group or ("type" if self.view == "map" else "")

    @property
    def is_narrowed(self) -> bool:
        """Return whether anything is left out."""
        return bool(self.q.strip() or self.chosen)

    def parameters(self) -> dict[str, object]:
        """Return the state as parameters of an address; what is as always is left out."""
        found: dict[str, object] = {"q": self.q.strip()}
        found |= {f"{_CHOICE}{key}": values for key, values in self.chosen.items()}
        found |= {
            "facet": self.pinned,
            "group": self.group,
            "cols": ",".join(self.columns),
            "sort": self.sort if self.sort != DEFAULT_SORT else "",
            "after": self.after,
            "limit": self.limit if self.limit != 50 else "",
            "as_of": self.as_of,
            "deleted": self.deleted,
            "view": self.view,
            "panel": self.panel,
        }
        if self.panel:
            found |= {f"{_PANEL}{name}": value for name, value in self.panel_parameters.items()}
        return found

    def address(self, path: str = "/", /, **changes: object) -> str:
        """Return the address of this state with changes; another page begins at its first, and has no panel."""
        kept = {"after": "", "panel": ""} | changes
        return with_parameters(path, replace(self, **kept).parameters())  # type: ignore[arg-type] # by name, as they come

    def toggled(self, key: str, value: str) -> str:
        """Return the address with a value chosen, or no longer."""
        values = self.chosen.get(key, ())
        left = tuple(one for one in values if one != value) if value in values else (*values, value)
        return self.with_choice(key, left)

    def with_choice(self, key: str, values: Iterable[str], **changes: object) -> str:
        """Return the address with these values of a key chosen."""
        chosen = {name: ones for name, ones in self.chosen.items() if name != key}
        if ones := tuple(values):
            chosen[key] = ones
        return self.address(chosen=chosen, **changes)


def read_state(pairs: Iterable[tuple[str, str]]) -> CatalogState:
    """Return what an address says. What it says wrongly is left out, but for what a search says is wrong itself."""
    chosen: dict[str, list[str]] = {}
    single: dict[str, str] = {}
    lists: dict[str, list[str]] = {"facet": [], "cols": []}
    panel: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.startswith(_CHOICE) and len(name) > len(_CHOICE) and value:
            chosen.setdefault(name.removeprefix(_CHOICE), []).append(value)
        elif name.startswith(_PANEL):
            panel.setdefault(name.removeprefix(_PANEL), []).append(value)
        elif name in lists:
            lists[name] += [one.strip() for one in (value.split(",") if name == "cols" else [value]) if one.strip()]
        elif value:
            single[name] = value
    limit = single.get("limit", "")
    return CatalogState(
        q=single.get("q", ""),
        chosen={key: tuple(dict.fromkeys(values)) for key, values in list(chosen.items())[:_MOST]},
        pinned=tuple(dict.fromkeys(lists["facet"]))[:_MOST],
        group=single.get("group", "").strip(),
        columns=tuple(dict.fromkeys(lists["cols"]))[:_MOST],
        sort=single.get("sort", DEFAULT_SORT),
        after=single.get("after", ""),
        limit=int(limit) if limit.isdigit() and int(limit) in LIMITS else 50,
        as_of=single.get("as_of", "").strip(),
        deleted=single.get("deleted", "") == "1",
        view="map" if single.get("view") == "map" else "",
        panel=single.get("panel", "") if single.get("panel") != "1" else "",
        panel_parameters={name: tuple(values) for name, values in list(panel.items())[:_MOST]},
    )
