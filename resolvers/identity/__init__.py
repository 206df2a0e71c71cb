"""Who is who: the keys a contact is found by, what is proof, and the groups that follow. Pure functions of facts."""
