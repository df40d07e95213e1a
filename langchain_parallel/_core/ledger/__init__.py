"""Exactly once: the key of a request, what is known of a ledger, the lookup before a send, the send."""
