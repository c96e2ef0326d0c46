"""The catalog for agents: tools of the Model Context Protocol that only read, within limits."""
