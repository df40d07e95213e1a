"""Mutation tests: does a test go red when one expression or statement of the package is wrong?

`python -m tests.mutants` (`make mutants`) makes every small change of `operators.py`, one at a time, in a
copy of the package, and runs the tests that `targets.py` names for the module. A change that no test sees is
a survivor; those that stay are explained in `explained.py`.
"""
