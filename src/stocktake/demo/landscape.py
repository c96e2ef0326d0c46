"""What stands around the jobs of one account and region: roles, keys, network, buckets, with stable ids.

The generator's requests refer to these, and `neighbors` seeds them into moto, so that every reference leads somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from stocktake.demo.archetypes import archetypes
from stocktake.demo.draws import token

_DOCUMENTED = ("111122223333", "444455556666", "777788889999", "123456789012")
"""Account ids that AWS's documentation uses for examples."""


def account_ids(count: int) -> tuple[str, ...]:
    """Return so many invented account ids."""
    return _DOCUMENTED[:count] + tuple(f"{800_000_000_000 + 7_919 * n:012d}" for n in range(count - len(_DOCUMENTED)))


def teams() -> tuple[str, ...]:
    """Return the teams of all kinds of work."""
    return tuple(sorted({archetype.team for archetype in archetypes()}))


def role_name(team: str) -> str:
    """Return the name of a team's execution role."""
    return f"{team}-training"


def role_arn(account: str, team: str) -> str:
    """Return the ARN of a team's execution role."""
    return f"arn:aws:iam::{account}:role/ml/{role_name(team)}"


@dataclass(frozen=True)
class Landscape:
    """The network, keys and buckets of one account and region."""

    account: str
    region: str
    vpc: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    output_key: str
    volume_key: str
    file_system: str

    @property
    def output_alias(self) -> str:
        """Return the alias of the key for model artifacts."""
        return "alias/ml-artifacts"

    def key_arn(self, key: str) -> str:
        """Return the ARN of one of the keys."""
        return f"arn:aws:kms:{self.region}:{self.account}:key/{key}"

    def bucket(self, team: str, purpose: str) -> str:
        """Return the name of a team's bucket for data or models."""
        return f"acme-{team}-{purpose}-{self.account[-4:]}-{self.region}"

    def buckets(self) -> tuple[str, ...]:
        """Return the names of all buckets here."""
        return tuple(self.bucket(team, purpose) for team in teams() for purpose in ("data", "models"))


@cache
def landscape(seed: int, account: str, region: str) -> Landscape:
    """Return what stands in one account and region, the same for the same seed."""

    def made(kind: str, number: int = 0, length: int = 17) -> str:
        return token(seed, "landscape", account, region, kind, number, length=length)

    def key(kind: str) -> str:
        word = made(kind, length=32)
        return f"{word[:8]}-{word[8:12]}-4{word[13:16]}-a{word[17:20]}-{word[20:32]}"

    return Landscape(
        account=account,
        region=region,
        vpc=f"vpc-{made('vpc')}",
        subnets=tuple(f"subnet-{made('subnet', n)}" for n in range(3)),
        security_groups=tuple(f"sg-{made('sg', n)}" for n in range(2)),
        output_key=key("output-key"),
        volume_key=key("volume-key"),
        file_system=f"fs-{made('fs')}",
    )
