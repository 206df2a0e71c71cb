"""Outside sources of facts about people: what each may be told, what it costs, how it is asked, and the wire on which nothing goes unlogged."""
