"""The door out: a folder for each kind of sink, peers of each other."""
