"""Real processes, started, cut and killed, and a count of what was lost or came twice: it must be nothing.

Each scenario is a function with sizes as parameters that returns a `Report`. `test_…_in_small.py` run them small, `python -m
benchmarks.proof` in full size. Clients are written from the protocols' texts and counts are taken from the database file:
neither uses Kith's own code. Only processes that a scenario started are ended, by their id.
"""
