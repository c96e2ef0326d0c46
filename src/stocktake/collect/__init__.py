"""Make the planned calls; yield answers as they came, or a gap saying why not."""
