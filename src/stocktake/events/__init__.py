"""Events of the provider as triggers: which resources they name, and reading exactly those again."""
