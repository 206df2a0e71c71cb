"""How close the viewer and a person are: what was exchanged is counted, kept as counts, and weighed when somebody asks."""
