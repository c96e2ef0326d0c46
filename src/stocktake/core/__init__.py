"""Words everyone uses: errors, clock, settings, progress."""
