"""`python -m langchain_parallel`: the same as the command `langchain-parallel`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
