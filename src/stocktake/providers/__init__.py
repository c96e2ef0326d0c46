"""What a cloud publishes about its own API, read as data."""
