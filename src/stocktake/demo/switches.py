"""Switches for the hard days of a cloud: throttling, errors, lag, denials; all off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace


@dataclass(frozen=True)
class Switches:
    """What goes wrong, and how often. Rates are shares of calls in [0, 1].

    Actions are written as IAM writes them (`*` for any operation), optionally `@` an account or a region:
    `sagemaker:ListTags`, `sagemaker:*@eu-west-1`, `tag:GetResources@111122223333`.
    """

    search_lag_seconds: float = 0.0
    """Virtual seconds by which the index behind Search is late."""
    list_lag_seconds: float = 0.0
    """Virtual seconds after which a new job is first listed by its time of creation."""
    throttle: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Operation (or `*`) to (calls per real second, burst), per account, region and operation."""
    error_rate: float = 0.0
    """Share of calls that are answered by an HTTP 500 or 503."""
    truncated_rate: float = 0.0
    """Share of answers that end in the middle, the connection closed."""
    malformed_arns: frozenset[str] = frozenset()
    """Resources whose describe and tags calls answer something that is no JSON."""
    denied_actions: frozenset[str] = frozenset()
    """Actions that the caller may not do."""
    expired_accounts: frozenset[str] = frozenset()
    """Accounts (or `*`) whose credentials have expired."""
    suspended_accounts: frozenset[str] = frozenset()
    """Accounts that the organization lists as suspended, and whose roles nobody can assume."""
    role_seconds: float = 0.0
    """Virtual seconds that a role's credentials last; 0: as asked for."""
    role_external_id: str = ""
    """What every role's trust policy wants to be told; empty: nothing."""
    disabled_regions: frozenset[str] = frozenset()
    """Regions where the caller's token is not valid, as in a region that the account has not opted into."""
    hang_regions: frozenset[str] = frozenset()
    """Regions that accept a call and never answer."""
    latency_ms: float = 0.0
    """Real milliseconds added to each answer."""
    endless_token: frozenset[str] = frozenset()
    """Operations whose pages always name the same next page."""
    vanish_rate: float = 0.0
    """Share of finished jobs that are deleted just before they are described."""
    seed: int = 1
    """What chance decides by."""

    def changed(self, changes: Mapping[str, object]) -> Switches:
        """Return the switches after changes as JSON states them: lists for sets, [rate, burst] for limits.

        Raises:
            ValueError: for a switch that does not exist, or a value of another kind.
        """
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ValueError(f"no such switch: {', '.join(unknown)}; there are {', '.join(known)}")
        return replace(self, **{name: _coerce(name, known[name], value) for name, value in changes.items()})  # type: ignore[arg-type]  # _coerce returns the kind that the field holds

    def as_json(self) -> dict[str, object]:
        """Return the switches as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


def _coerce(name: str, held: object, value: object) -> object:
    match held, value:
        case frozenset(), list() | tuple() | set() | frozenset():
            return frozenset(str(item) for item in value)
        case Mapping(), Mapping():
            return {str(op): _limit(name, limit) for op, limit in value.items()}
        case str(), str():
            return value
        case int(), int():
            return value
        case float(), int() | float():
            return float(value)
    raise ValueError(f"switch {name} takes another kind of value than {value!r}")


def _limit(name: str, limit: object) -> tuple[float, float]:
    match limit:
        case [int() | float() as rate, int() | float() as burst]:
            return float(rate), float(burst)
    raise ValueError(f"switch {name} takes [rate, burst], not {limit!r}")
