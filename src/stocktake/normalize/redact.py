"""Take secrets out of an answer before anything is stored.

Values that look like secrets are replaced by their length and a keyed hash, so that a change still shows while the
value is gone. Looked at are: maps of strings (environment variables, parameters), by key name and by value; every other
string, by value; and members that the model marks as sensitive, by their name too. The mark alone does not suffice:
models put it on descriptions and whole definitions, which a catalog is for.
"""

from __future__ import annotations

import hashlib
import re
from enum import IntEnum

# Names of keys whose values are secrets. Anchored at word ends, so that `max_tokens` and `tokenizer` stay readable.
_NAME = (
    r"(?:^|[^a-z])(?:pass(?:word|wd|phrase)?|pwd|secret(?:s)?|(?:api|auth|access|bearer|refresh|session|id)[_-]?token"
    r"|token|(?:api|access|secret|private|encryption|signing|account|license)[_-]?key|apikey|credential(?:s)?|client[_-]?secret"
    r"|conn(?:ection)?[_-]?str(?:ing)?|dsn|webhook[_-]?url|private[_-]?key)(?:$|[^a-z])"
)
# Forms that issuers gave to their secrets so that they can be found.
_ISSUED = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA)[A-Z0-9]{16}"  # AWS access key id
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"
    r"|sk_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"  # JSON web token
)
_URL_WITH_LOGIN = r"://[^/\s:@\"']+:[^/\s:@\"']+@"
_SECRET_NAME = re.compile(_NAME)
# Only where a word begins: `s3://risk-models-…` holds no `sk-…`.
_SECRET_VALUE = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_ISSUED})|{_URL_WITH_LOGIN}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Runs over whole answers in the database, so it is cheap and generous: what it finds is only looked at.
_SIFT = (
    r"(?i:pass|pwd|secret|token|(?:api|access|secret|private|encryption|signing|account|license)[_-]?key|credential"
    r"|conn(?:ection)?[_-]?str|dsn|webhook)"
)


class Suspicion(IntEnum):
    """What sifting found in an answer, and so how much of it has to be looked at."""

    NONE = 0
    NAMES = 1
    """A name that may announce a secret: entries of maps, free JSON and marked members are looked at."""
    VALUES = 2
    """The form of a secret, anywhere; or no text at all: everything is looked at."""


def names_pattern(sensitive_names: frozenset[str] = frozenset()) -> str:
    """Return a pattern (RE2) that is found wherever a name may announce a secret."""
    marked = "".join(f'|"{re.escape(name)}"' for name in sorted(sensitive_names))
    return f"{_SIFT}{marked}"


def values_pattern() -> str:
    """Return a pattern (RE2) that is found wherever something may have the form of a secret."""
    return f"{_URL_WITH_LOGIN}|{_ISSUED}"


def without_own_names(column: str, own_names: set[str]) -> str:
    """Return the SQL for an answer without those of the model's own member names that would be sifted out each time."""
    sieve = re.compile(_SIFT)
    for name in sorted(name for name in own_names if sieve.search(name)):
        column = f"""replace({column}, '"{name.replace("'", "''")}":', '')"""
    return column


def is_secret_name(name: str) -> bool:
    """Say whether a key's name announces a secret: `DB_PASSWORD`, `apiKey`, `HF_TOKEN`; not `max_tokens`."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name).lower()) is not None


def holds_secret(value: str) -> bool:
    """Say whether a value has a form that an issuer gives to its secrets."""
    return _SECRET_VALUE.search(value) is not None


class Redactor:
    """Replaces secrets, with a key of its own, so that equal secrets of two catalogs do not look equal."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def redacted(self, value: str) -> str:
        """Return what is stored instead of `value`."""
        digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=6).hexdigest()
        return f"<redacted length={len(value)} hash={digest}>"

    def entry(self, name: str, value: str) -> str:
        """Return the value of a map's entry, redacted where its name or its form says so; empty values stay."""
        return self.redacted(value) if value and (is_secret_name(name) or holds_secret(value)) else value

    def text(self, value: str) -> str:
        """Return a string, redacted where its form says so."""
        return self.redacted(value) if holds_secret(value) else value

    def tree(self, value: object, name: str = "") -> object:
        """Return any JSON value with every string in it looked at."""
        if isinstance(value, str):
            return self.entry(name, value)
        if isinstance(value, dict):
            return {k: self.tree(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.tree(v, name) for v in value]
        return value

    def strings(self, value: object) -> object:
        """Redact in place every string whose form says so; names do not matter here."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            for key, held in value.items():
                value[key] = self.strings(held)
        elif isinstance(value, list):
            value[:] = map(self.strings, value)
        return value

    def raw(self, text: str) -> str:
        """Return text that is no JSON, with each secret's form in it redacted."""
        return _SECRET_VALUE.sub(lambda found: self.redacted(found.group()), text)
