"""Connections as values; secrets; the file that declares them."""
