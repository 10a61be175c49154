"""What the database knows of calls: where each stands, its passes, phrases and transcripts, and how far its log was read."""
