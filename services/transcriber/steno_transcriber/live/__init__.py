"""Transcribes live calls: reads audio from the log, cuts it into utterances, and publishes phrases while people speak."""
