"""Fixtures for tests of policies."""

from __future__ import annotations

from moto_state import moto_endpoint

__all__ = ["moto_endpoint"]
