"""Facebook, through the Graph API."""
