"""What is known now, what was known then, what could not be read."""
