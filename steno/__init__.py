"""What the services of Steno share, and the command line."""
