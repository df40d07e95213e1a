"""Locks: in one process, on PostgreSQL, and both together (R5, docs/explain/rules.md)."""
