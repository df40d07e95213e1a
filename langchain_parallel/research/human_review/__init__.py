"""Asking a person: the request (`request`), the answer (`decision`), and the form of both (`schemas`)."""

__all__: list[str] = []
