"""Raw answer to typed Arrow batch."""
