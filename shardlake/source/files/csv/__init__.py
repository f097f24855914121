"""CSV: the bytes of one file in, Arrow tables of text out, and each record of it either a row or a fault.

`read.read_csv` puts it together: `decode` makes UTF-8 of the bytes, `structure` finds the records by bit operations, `parse`
has Arrow read them, and where the quoting is broken `grammar` finds the lines that have to go. `sniff` guesses how a file is written.
"""
