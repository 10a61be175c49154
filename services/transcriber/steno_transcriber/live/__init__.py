"""Live calls: audio from the log becomes utterances, and utterances phrases, while people speak."""
