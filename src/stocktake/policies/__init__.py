"""Rules that judge resources of any type: data files, one scan for each type, findings, scores."""
