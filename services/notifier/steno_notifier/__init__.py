"""Steno notifier: results go out, by signed webhooks."""
