"""What Steno is made of that others made: listed for whoever runs it, and looked up among known faults."""
