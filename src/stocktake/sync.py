"""The sweep: collect, normalize, store, start to end."""
