"""The pure core: what to send, when to send it again, what a response means.

Rule: nothing in here performs I/O, reads a clock, sleeps or draws a random number. It imports neither httpx
nor LangChain nor asyncio. `effects.py` says how it acts all the same.
"""
