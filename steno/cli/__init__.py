"""The command line: the suite on one machine, and the REST API from a terminal."""
