"""Exports of a table of DynamoDB to S3: what is read once is a data file, by the manifest that names it; a manifest is read when all of
its files are.

`manifest` reads what AWS has written beside the data, `key` leads from its keys to our names, `find` lists what is not read yet, `lines`
and `rows` read a data file and hold it against its manifest.
"""
