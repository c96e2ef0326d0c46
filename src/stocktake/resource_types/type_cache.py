"""What was derived from models that Stocktake was not released with, kept in the user's cache folder.

A cache that cannot be read or written only costs time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import platformdirs

import stocktake

_KEPT = {"names": 8, "service": 600}
"""Files of each kind: of different models folders or versions."""


def read_cache(kind: str, key: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what was kept under a key; None where nothing usable is."""
    try:
        return orjson.loads(_path(kind, key).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None


def write_cache(kind: str, key: str, data: object) -> None:
    """Keep a value, whole or not at all, and clear away the oldest."""
    path = _path(kind, key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(data))
        Path(temporary).replace(path)
        held = sorted(path.parent.glob(f"{kind}-*"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in held[_KEPT[kind] :]:
            old.unlink()


def _path(kind: str, key: str) -> Path:
    folder = Path(platformdirs.user_cache_dir("stocktake", appauthor=False)) / "types"
    hashed = hashlib.sha256(f"{key} {_rules_fingerprint()}".encode()).hexdigest()
    return folder / f"{kind}-{stocktake.__version__}-{hashed[:32]}.json"


@cache
def _rules_fingerprint() -> str:
    """Return what changes with the rules themselves: a checkout is worked on without a new version number."""
    files = sorted(path for path in Path(__file__).parent.glob("**/*") if path.suffix in {".py", ".toml"})
    return " ".join(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)
