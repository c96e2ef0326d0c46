"""What the simulation needs to know of instance types: storage, accelerators, and how scarce they are."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

LOCAL_STORAGE = frozenset(
    (
        "g4dn", "g5", "g6", "g6e", "g7", "g7e", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300",
        "p6e-gb200", "r5d", "trn1", "trn1n", "trn2",
    )
)  # fmt: skip
"""Families whose instances bring NVMe disks: no volume to size, none to encrypt with a key of one's own."""

_SCARCITY = {"p4d": 0.45, "p4de": 0.5, "p5": 0.6, "p5e": 0.6, "p5en": 0.6, "trn1": 0.3, "trn2": 0.5, "p3": 0.15}


def family(instance_type: str) -> str:
    """Return `g5` of `ml.g5.xlarge`."""
    return instance_type.split(".")[1]


def has_local_storage(instance_type: str) -> bool:
    """Say whether the type brings its own disks."""
    return family(instance_type) in LOCAL_STORAGE


def is_accelerated(instance_type: str) -> bool:
    """Say whether the type has GPUs or Trainium chips."""
    name = family(instance_type)
    return name.startswith("trn") or (name[0] in "pg" and name[1:2].isdigit())


def scarcity(instance_type: str) -> float:
    """Return the share of launches that must wait for capacity."""
    name = family(instance_type)
    return _SCARCITY.get(name, 0.08 if is_accelerated(instance_type) else 0.01)


@cache
def prices() -> dict[str, float]:
    """Return the invented hourly prices in USD of the generator's instance types."""
    text = files("stocktake.demo").joinpath("prices.csv").read_text(encoding="utf-8")
    return {row["instance_type"]: float(row["usd_per_hour"]) for row in csv.DictReader(text.splitlines())}
