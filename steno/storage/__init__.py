"""Storage of objects and of database rows."""
