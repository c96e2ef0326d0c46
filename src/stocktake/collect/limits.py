"""What is known of rate limits before the first call: data with sources, and what the user says."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from stocktake.core.errors import UserError

_RATE = re.compile(
    r"(?P<service>[a-z0-9-]+):(?P<operation>[A-Za-z0-9*?]+)=(?P<rate>\d+(\.\d+)?)/(?P<unit>s|m|h)(,(?P<burst>\d+))?"
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LEAST_RATE = 1 / 3600


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket of one account and region."""

    service: str
    """botocore's name."""
    operation: str
    """A name or a pattern (`Describe*`)."""
    per_second: float
    burst: float
    together: bool = False
    """All operations that fit share one bucket."""
    source: str = ""

    def fits(self, service: str, operation: str) -> bool:
        """Say whether an operation is meant."""
        return service == self.service and fnmatchcase(operation, self.operation)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each kind, the first that fits an operation counts."""

    known: tuple[Limit, ...] = ()
    """To begin with; trying may correct them."""
    of_user: tuple[Limit, ...] = ()
    """What the user allows; it is never exceeded."""

    def known_of(self, service: str, operation: str) -> Limit | None:
        """Return what is known of an operation."""
        return next((one for one in self.known if one.fits(service, operation)), None)

    def of_user_for(self, service: str, operation: str) -> Limit | None:
        """Return what the user allows."""
        return next((one for one in self.of_user if one.fits(service, operation)), None)


@cache
def read_known_limits() -> Limits:
    """Return the limits that come with Stocktake (`limits.toml`)."""
    document = tomllib.loads(files("stocktake.collect").joinpath("limits.toml").read_text(encoding="utf-8"))
    return Limits(
        tuple(
            Limit(
                one["service"],
                one["operation"],
                float(one["per_second"]),
                float(one["burst"]),
                together=one.get("together", False),
                source=one["source"],
            )
            for one in document["limit"]
        )
    )


def parse_limit(text: str) -> Limit:
    """Read `sagemaker:DescribeTrainingJob=10/s` or `ec2:*=600/m,50` (a burst of 50).

    Raises: UserError.
    """
    found = _RATE.fullmatch(text.strip())
    rate = float(found["rate"]) / _SECONDS[found["unit"]] if found else 0.0
    if found is None or rate < _LEAST_RATE:
        raise UserError(
            f"{text!r} is no limit.",
            code="bad_limit",
            hint="Write SERVICE:OPERATION=NUMBER/s (or /m, /h), as in sagemaker:DescribeTrainingJob=10/s or ec2:*=5/s.",
            where=text,
        )
    burst = float(found["burst"]) if found["burst"] else max(1.0, rate)
    return Limit(found["service"], found["operation"], rate, max(1.0, burst), together=False, source="user")
