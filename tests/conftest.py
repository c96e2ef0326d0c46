"""Fixtures that several rooms share."""

pytest_plugins = ["sync_bench", "moto_state"]
