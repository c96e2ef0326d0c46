"""The words in which providers say where a job is, and the ten states that they come to: `job_words.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("job_words.toml")
_NOT_PLAIN = re.compile(r"[^a-z0-9]")
LIVE = frozenset({"queued", "starting", "running", "stopping"})
ENDED = frozenset({"succeeded", "partial", "failed", "cancelled", "timed_out"})
STATES = (*sorted(LIVE, key=("queued", "starting", "running", "stopping").index),
          "succeeded", "partial", "failed", "cancelled", "timed_out", "deleting")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """What words mean."""

    exact: dict[str, str]
    """Plain word -> state."""
    endings: tuple[tuple[str, str], ...]
    """What a plain word ends in -> state; the first that fits counts."""
    stateless: frozenset[str]
    """Words that say nothing of where a job is."""
    standing: frozenset[str]
    """Words of what stands and serves: a type that has one is no job."""
    exceptions: dict[tuple[str, str], str]
    """Type and plain word -> state, where the same word means something else."""

    def state_of(self, word: str, type_name: str = "") -> str | None:
        """Return the state that a word means; None for a word that says none, or is not known."""
        said = plain_word(word)
        known = self.exceptions.get((type_name, said)) or self.exact.get(said)
        if known is not None or said in self.stateless:
            return known
        return next((state for ending, state in self.endings if said.endswith(ending)), None)


def plain_word(word: str) -> str:
    """Return a word as words are compared: without case and punctuation."""
    return _NOT_PLAIN.sub("", word.lower())


@cache
def read_words() -> Words:
    """Return the words."""
    stated = tomllib.loads(_FILE.read_text("utf-8"))
    exact = {word: state for state, entry in stated["state"].items() for word in entry["words"]}
    endings = [(ending, entry["state"]) for entry in stated["ending"] for ending in entry["words"]]
    exceptions = {(one["type"], plain_word(one["word"])): one["state"] for one in stated.get("exception", ())}
    stateless, standing = (frozenset(stated[kind]["words"]) for kind in ("stateless", "standing"))
    return Words(exact, tuple(endings), stateless, standing, exceptions)
