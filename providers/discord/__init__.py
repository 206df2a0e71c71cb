"""Discord, by a bot."""
