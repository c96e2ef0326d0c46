"""What a client's request says about its own fate: environment variables that begin with `SIMULATED_`."""

from __future__ import annotations

from typing import Any, NamedTuple

from stocktake.demo.api_errors import invalid
from stocktake.demo.plan import MINUTE, SECOND, Attempt, Ending, Failure, Plan

Json = dict[str, Any]
_SERVER_ERROR = "InternalServerError: We encountered an internal error. Please try again."


class Steering(NamedTuple):
    """The wishes of a request; None where it has none."""

    training_seconds: int | None
    pending_seconds: int | None
    interruptions: int | None
    server_errors: int | None
    failure: str
    """A class of failures, or class and phase."""
    spot: bool
    retries: int

    def possible(self, failures: tuple[Failure, ...]) -> tuple[Failure, ...]:
        """Return those failures that the request asks for.

        Raises:
            ApiError: there are none of that class and phase.
        """
        if not self.failure:
            return ()
        found = tuple(f for f in failures if self.failure in {f.kind, f"{f.kind}:{f.phase}"})
        if not found:
            raise invalid(f"Environment SIMULATED_FAILURE: {self.failure} can not happen to this training job.")
        return found

    def applied(self, plan: Plan) -> Plan:
        """Return a drawn plan with the wishes in place of what was drawn."""
        if self.pending_seconds is not None:
            plan = plan._replace(pending=self.pending_seconds * SECOND)
        if self.training_seconds is None and self.interruptions is None and self.server_errors is None:
            return plan
        last = plan.attempts[-1]
        length = last.training if self.training_seconds is None else self.training_seconds * SECOND
        half = Attempt(last.starting, last.downloading, max(length // 2, SECOND), Ending.INTERRUPTED, 5 * MINUTE)
        third = Attempt(last.starting, last.downloading, max(length // 3, SECOND), Ending.RETRIED)
        errors = self.server_errors or 0
        early = (half,) * (self.interruptions or 0) + (third,) * min(errors, self.retries)
        if errors > self.retries:
            failure = Failure("InternalServerError", "Training", _SERVER_ERROR)
            last = last._replace(training=third.training, ending=Ending.FAILED)
            return plan._replace(attempts=(*early, last), failure=failure)
        return plan._replace(attempts=(*early, last._replace(training=length)))


def read_steering(request: Json) -> Steering:
    """Return the wishes of a request.

    Raises:
        ApiError: a number that is none, or interruptions of a job that is not on spot capacity.
    """
    environment: dict[str, str] = request.get("Environment") or {}
    spot = bool(request.get("EnableManagedSpotTraining"))
    interruptions = _number(environment, "SIMULATED_INTERRUPTIONS")
    if interruptions and not spot:
        raise invalid("Environment SIMULATED_INTERRUPTIONS: only managed spot training is interrupted.")
    return Steering(
        _number(environment, "SIMULATED_TRAINING_SECONDS", least=1),
        _number(environment, "SIMULATED_PENDING_SECONDS"),
        interruptions,
        _number(environment, "SIMULATED_SERVER_ERRORS"),
        environment.get("SIMULATED_FAILURE", ""),
        spot,
        (request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0),
    )


def _number(environment: dict[str, str], name: str, least: int = 0) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= 10_000_000:
        raise invalid(f"Environment {name}: {text} is no number of at least {least}.")
    return int(text)
