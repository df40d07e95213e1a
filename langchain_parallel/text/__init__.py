"""Text for models and people."""

__all__: list[str] = []
