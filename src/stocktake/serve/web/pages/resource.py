"""`/resource`: one resource, as a page and as a panel beside another page."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
