"""Types by name: which service a name belongs to, and all names there are."""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import platformdirs

import stocktake
from stocktake.core.errors import UserError
from stocktake.resource_types.derive import derive_type, derive_types
from stocktake.resource_types.members import plain
from stocktake.resource_types.nouns import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import Models
    from stocktake.resource_types.spec import ResourceType

_PREFIX = "aws"
_CACHES_KEPT = 8
"""Of different models folders or versions."""


def load_type(name: str, models: Models) -> ResourceType:
    """Return the type of a name, reading only the model of the service that it begins with.

    Case and underscores do not matter.
    Raises: UserError where there is no such type; the nearest names are in the hint.
    """
    wanted = plain(name).removeprefix(_PREFIX)
    for service in _services_of(wanted, models):
        found = derive_type(models.load(service), wanted.removeprefix(plain(service)))
        if found is not None:
            return found
    if any(_is_made(models, service, wanted) for service in _services_of(wanted, models)):
        raise UserError(
            f"The resource type {name!r} cannot be read yet: its list needs a parent, or it is only read in batches.",
            code="type_not_readable",
            hint="`stocktake types` lists the types that can be read.",
        )
    raise _unknown(name, models)


def list_type_names(models: Models) -> tuple[str, ...]:
    """Return the names of all types that can be read at top level, sorted.

    Deriving them takes seconds, so they are kept in the user's cache folder until a model or Stocktake changes.
    """
    path = _cache_path(models)
    cached = _read_names(path)
    if cached is not None:
        return cached
    names = tuple(sorted(_derive_names(models)))
    _write_names(path, names)
    return names


def _derive_names(models: Models) -> Iterator[str]:
    for service in models.service_names:
        yield from derive_types(models.load(service))
        models.forget(service)


def _services_of(wanted: str, models: Models) -> list[str]:
    """Return the services whose names a type's name begins with, longest first."""
    found = [
        service for service in models.folder_names if wanted.startswith(plain(service)) and wanted != plain(service)
    ]
    return sorted(
        (service for service in found if models.has_service(service)), key=lambda one: (-len(plain(one)), one)
    )


def _is_made(models: Models, service: str, wanted: str) -> bool:
    """Return whether a service makes what a type's name says, though it cannot be read at top level."""
    return Vocabulary(models.load(service).operations).is_made(wanted.removeprefix(plain(service)))


def _unknown(name: str, models: Models) -> UserError:
    wanted = plain(name)
    by_plain = {plain(known): known for known in list_type_names(models)}
    nearest = [by_plain[match] for match in difflib.get_close_matches(wanted, by_plain, n=5, cutoff=0.6)]
    hint = f"Did you mean {', '.join(nearest)}?" if nearest else "`stocktake types` lists the names there are."
    return UserError(f"There is no resource type {name!r}.", code="unknown_type", hint=hint)


def _cache_path(models: Models) -> Path:
    folder = Path(platformdirs.user_cache_dir("stocktake", appauthor=False))
    key = hashlib.sha256(f"{models.fingerprint} {_rules_fingerprint()}".encode()).hexdigest()
    return folder / f"types-{stocktake.__version__}-{key[:32]}.json"


def _rules_fingerprint() -> str:
    """Return what changes with the rules themselves: a checkout is worked on without a new version number."""
    files = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".toml"})
    return " ".join(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)


def _read_names(path: Path) -> tuple[str, ...] | None:
    try:
        names = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _write_names(path: Path, names: tuple[str, ...]) -> None:
    """Write the cache whole or not at all; a cache that cannot be written only costs time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(names))
        Path(temporary).replace(path)
        held = sorted(path.parent.glob("types-*"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in held[_CACHES_KEPT:]:
            old.unlink()
