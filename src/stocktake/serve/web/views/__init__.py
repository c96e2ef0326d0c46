"""What a template shows, as pure functions from answers to plain values."""
