"""Sample data, taken in the way real data is: files that are imported and a Mastodon-compatible server that is linked."""

from gateway.demo.run import DemoRefused, run, stop

__all__ = ["DemoRefused", "run", "stop"]
