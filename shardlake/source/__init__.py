"""Sources: the door through which rows come in. A new kind of SQL server is a new module with a `Dialect`."""
