"""Calls whose peers are connected to this process, or may come back to it: from the door of each to the log."""
