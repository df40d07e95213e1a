"""The pure core: what to send, when to repeat it, what an answer means.

Rule: nothing in here performs I/O, reads a clock, sleeps or draws a random number. It imports neither
httpx nor LangChain nor asyncio. See `effects.py` for how it acts all the same.
"""
