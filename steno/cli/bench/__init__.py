"""The command `steno bench`: measures what this machine carries, and says what to set for an operator's load."""
