"""Asking a person, and understanding the answer."""

__all__: list[str] = []
