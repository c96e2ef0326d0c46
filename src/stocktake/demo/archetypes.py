"""The kinds of work that the demo estate is made of, read from `archetypes.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Archetype:
    """One kind of work; `archetypes.toml` explains the fields."""

    id: str
    team: str
    cost_center: str
    weight: int
    image: str
    mode: str
    instances: list[tuple[str, int, int]]
    minutes: float
    spread: float
    channels: list[str]
    data_minutes: float
    names: str
    max_runtime_hours: float
    failure_rate: float
    hyper: dict[str, list[str]]
    metrics: list[tuple[str, str]]
    tag_style: str = "full"
    pin: str = "tag"
    volume_gb: int = 0
    spot_share: float = 0.0
    wait_factor: float = 2.0
    checkpoint: str = "never"
    vpc_share: float = 0.0
    isolation: bool = False
    encryption: bool = False
    kms: str = "none"
    retries: int = 0
    tuning_share: float = 0.0
    tuned: list[str] = field(default_factory=list)
    warm_share: float = 0.0
    keep_alive: int = 0
    debug_share: float = 0.0
    profiler: str = "default"
    tensorboard_share: float = 0.0
    infra_check: bool = False
    remote_debug_share: float = 0.0
    experiment_share: float = 0.0
    mlflow_share: float = 0.0
    secret_share: float = 0.0
    stop_share: float = 0.01
    output: str = ""
    compression: str = ""
    record_wrapper: str = ""
    shuffle: bool = False
    sharded: bool = False
    automl: bool = False
    groups: bool = False
    file_system: bool = False
    environment: dict[str, str] = field(default_factory=dict)


@cache
def archetypes() -> tuple[Archetype, ...]:
    """Return all kinds of work, in the order of the file."""
    text = files("stocktake.demo").joinpath("archetypes.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["archetype"]
    return tuple(Archetype(**entry) for entry in entries)
