"""write and register: a window's view rows as typed tables of the lake, in each layout that a view declares."""
