"""Streams: saved rules over activities, and what met them.

`rules.py` reads the language, `documents.py` says what of an activity can be matched, `matcher.py` finds the rules that an activity
meets without trying them all: these three are pure. `matching.py` carries stored activities through them, `streams.py` and `writing.py` are
what clients see and change.
"""
