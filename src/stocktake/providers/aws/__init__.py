"""The models that botocore ships, read as data."""
