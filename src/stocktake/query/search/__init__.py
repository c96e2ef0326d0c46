"""Search: words and keys as people type them, over all resources at once."""
