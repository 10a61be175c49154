"""The chaos of inputs: good callers, what they are told and when, beside attackers of every kind."""
