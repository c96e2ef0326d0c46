"""Stocktake: an open resource catalog, derived from what the provider publishes."""

__version__ = "0.1.0"
