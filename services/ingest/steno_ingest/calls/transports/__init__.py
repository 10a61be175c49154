"""Transports, which carry the messages of calls between peers and drivers."""
