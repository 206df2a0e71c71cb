"""The public gateway workload: posts, posts with their users, a greeting, over HTTP from a static upstream; Kith beside its rivals.

`make bench` runs it (`run.py`); what is asked and answered is in `workload.py`, Kith's part in `kith.py`, the others' in `rivals.py`.
"""
