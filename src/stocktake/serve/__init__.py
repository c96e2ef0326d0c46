"""Fronts: parse, call one function, render."""
