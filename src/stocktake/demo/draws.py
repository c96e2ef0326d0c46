"""Deterministic draws: what chance decides for a job is a function of the seed and the job's number."""

from __future__ import annotations

import struct
from hashlib import blake2b
from math import exp
from statistics import NormalDist
from typing import NamedTuple

_UNPACK = struct.Struct("<32H").unpack
_BELL = tuple(NormalDist().inv_cdf((step + 0.5) / 1024) for step in range(1024))


class Draws(NamedTuple):
    """Thirty-two independent numbers of 16 bits; each question has its own index, so that answers do not shift."""

    values: tuple[int, ...]

    def share(self, index: int) -> float:
        """Return a number in [0, 1)."""
        return self.values[index] / 65_536

    def below(self, index: int, limit: int) -> int:
        """Return a whole number in [0, limit)."""
        return self.values[index] * limit >> 16

    def around(self, index: int, median: float, spread: float) -> float:
        """Return a log-normal number: half of them are below `median`, `spread` is the deviation of the logarithm."""
        return median * exp(spread * _BELL[self.values[index] >> 6])


def draw(seed: int, *key: int | str) -> Draws:
    """Return the draws that belong to a key, the same for the same seed everywhere."""
    text = f"{seed}:{key}"
    return Draws(_UNPACK(blake2b(text.encode(), digest_size=64).digest()))


def token(seed: int, *key: int | str, length: int = 8) -> str:
    """Return a hexadecimal word of up to 64 letters that belongs to a key."""
    text = f"{seed}:{key}:token"
    return blake2b(text.encode(), digest_size=32).hexdigest()[:length]
