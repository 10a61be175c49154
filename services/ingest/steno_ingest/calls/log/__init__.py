"""What is read back from the log of calls: each is accounted for and recorded, and one that never ends is ended."""
