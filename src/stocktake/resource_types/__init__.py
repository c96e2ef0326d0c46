"""Derived types: schema, call plan, identity, references."""
