"""What a view may say: columns, types, layouts, schedule; reading and checking the files."""
