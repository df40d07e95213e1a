"""What graph code shares: clients, LangGraph's runtime, the session's ledger, the paid run."""
