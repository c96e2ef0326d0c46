"""Telling people and programs of new findings and of changes: once each, and none lost."""
