"""Read-only questions to a catalog."""
