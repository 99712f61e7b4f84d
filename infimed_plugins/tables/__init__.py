"""Files of rows as users have them, and the cells in them: what all that reads a user's own file shares."""
