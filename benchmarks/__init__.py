"""Measurements of the package on its own simulator; README.md tells what each shows."""
