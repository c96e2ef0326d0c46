"""The pages that people see: read by GET alone, without JavaScript too."""
