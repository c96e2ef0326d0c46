"""A simulated cloud that speaks the provider's protocol."""
