"""Communities among the viewer's own people: who is together on mails, in groups and in public, and what these have in common.

They are found anew with each picture of the influence job, which walks the same facts: `communities.py` finds them, `naming.py` says what
is common, `drawing.py` gives each the id that it had and writes what differs, `answers.py` gives them to resolvers.
"""
