"""Takes the records of `call-audio`, those of unknown calls too, and ends calls that nobody ends."""
