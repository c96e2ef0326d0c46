"""The reference of all types as a static site that works without a server and without a network."""
