"""SQL servers as a source: windows of a cursor, keyset reading, and a dialect for each kind of server."""
