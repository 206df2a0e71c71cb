"""Instagram's professional accounts, through the Graph API."""
