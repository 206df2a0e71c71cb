"""Sample data, taken in the way real data is: files that are imported and a Mastodon-compatible server that is linked."""
