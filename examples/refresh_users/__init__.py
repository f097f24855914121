"""A table of users, kept fresh from an HTTP provider; views that want it say `after: [refresh_users]`."""
