"""Streams: saved rules over activities, and what met them.

`tokens.py` and `rules.py` read the language into a `tree.py`, `documents.py` says what of an activity can be matched, `matcher.py` finds the
rules that an activity meets without trying them all: these are pure. `matching.py` carries stored activities through them, `circles.py` knows
the circles that rules name, `reading.py` and `writing.py` are what clients see and change.
"""
