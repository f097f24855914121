"""Files as a source: dropped into a folder or a bucket by others, and read once each."""
