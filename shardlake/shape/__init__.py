"""shape: raw rows to view rows. Pure functions over Arrow; nothing here knows a server."""
