"""The fleet with a random stop a minute: what is done to it, what it writes meanwhile, how late it becomes, and who is told."""
