"""Pictures as SVG: pure functions from data to markup, colored by classes so that they follow light and dark."""
