"""Transports: they carry the messages of calls between their peers and the drivers of their doors."""
