"""`kith resolve --accept` beside splink, the usual program for doubles in one list, on public lists of people with the truth known."""
