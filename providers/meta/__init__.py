"""What Facebook, Instagram and WhatsApp have in common at Meta's Graph API."""
