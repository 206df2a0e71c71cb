"""The command line, a module a group of commands; `frame.py` is what they stand in."""

from gateway.cli.command import main

__all__ = ["main"]
