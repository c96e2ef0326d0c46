"""`/`: everything that is held, searched, counted and grouped."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
