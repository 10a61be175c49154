"""Looks for what is wrong with an installation, and says what to do: the checks behind `steno doctor`.

What is found out (facts) and what that means (findings) are apart, so that judgement needs no network. Services add checks of
their own by the entry point group `steno.checks`.
"""
