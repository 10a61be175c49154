"""Where things are kept: objects and rows."""
