"""Read-only questions to the catalog: SQL, one resource at any time, what is known and how old it is."""
