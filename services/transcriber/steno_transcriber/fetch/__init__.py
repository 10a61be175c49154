"""Fetches recordings from their URLs to local files."""
