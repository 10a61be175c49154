"""Runs the live calls whose peers are connected to this process or may reconnect: from their doors to the call log."""
