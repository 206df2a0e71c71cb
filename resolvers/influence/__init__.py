"""How much people are heard among the viewer's own, what about, and who knows whom; a picture that is drawn anew, never updated.

`reading.py` walks what is stored, `graph.py`, `topics.py` and `weighing.py` reckon, `store/standings.py` keeps the outcome, `answers.py`
gives it to resolvers. Knows no network: whatever counts as heard is an activity, a message or a reaction that the viewer has.
"""
