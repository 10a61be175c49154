"""The command line: runs the suite on one machine, and calls its REST API."""
