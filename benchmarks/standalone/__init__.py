"""What runs without this package: the standard library and what is measured are all that it imports."""
