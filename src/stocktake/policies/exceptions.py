"""Exceptions: findings that somebody answers for, until a day."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = ("rule", "resource", "account", "region", "reason", "expires", "approved_by")


@dataclass(frozen=True, slots=True)
class PolicyException:
    """Where a rule need not be kept, why, and until when. `*` stands for anything in rule, resource and region."""

    rule: str
    resource: str
    account: str
    region: str
    reason: str
    expires: date
    """The first day on which it no longer holds."""
    approved_by: str
    forms: tuple[re.Pattern[str], ...]

    def is_over(self, today: date) -> bool:
        """Return whether it no longer holds."""
        return today >= self.expires

    def covers(self, rule: str, resource: str, account: str, region: str) -> bool:
        """Return whether a finding is one of those it is about."""
        said = zip(self.forms, (rule, resource, account, region), strict=True)
        return all(form.fullmatch(value) for form, value in said)


def read_exceptions(path: Path) -> tuple[PolicyException, ...]:
    """Return the exceptions of a file. Raises: UserError, which names the entry that is wrong."""
    try:
        stated = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(str(path), str(error)) from error
    entries = stated.get("exception", [])
    if set(stated) - {"exception"} or not isinstance(entries, list):
        raise _bad(str(path), "each entry has to begin with [[exception]]")
    return tuple(_exception(one, f"{path}, exception {number}") for number, one in enumerate(entries, 1))


def _exception(stated: dict[str, Any], where: str) -> PolicyException:
    unknown = sorted(set(stated) - set(_KEYS))
    if unknown:
        raise _bad(where, f"there is no key {unknown[0]!r}")
    for key in ("rule", "reason"):
        if not isinstance(stated.get(key), str) or not stated[key].strip():
            raise _bad(where, f"it has no {key}")
    expires = stated.get("expires")
    if type(expires) is not date:
        raise _bad(where, "expires is no day")
    rule, resource, account, region = patterns = [
        str(stated.get(key, "*")) for key in ("rule", "resource", "account", "region")
    ]
    approved = str(stated.get("approved_by", ""))
    reason = str(stated["reason"])
    forms = tuple(re.compile(translate(pattern)) for pattern in patterns)
    return PolicyException(rule, resource, account, region, reason, expires, approved, forms)


def _bad(where: str, what: str) -> UserError:
    return UserError(
        f"{where}: {what}",
        code="bad_exceptions",
        hint='An exception has rule = "…", reason = "…", expires = 2027-01-31, if wanted resource, account, region.',
        where=where,
    )
