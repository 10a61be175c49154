"""Calls whose peers are connected to this process, or may come back to it: from the socket, by a door, to the log."""
