"""How the command line, the API and the pages say the same things: values, quantities, the provider's texts."""
