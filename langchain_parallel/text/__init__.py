"""Text for models and people: money and time, an answer, progress, fences around untrusted text."""

__all__: list[str] = []
