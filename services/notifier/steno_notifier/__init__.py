"""The notifier service: delivers events by signed webhooks, and streams the captions of live calls."""
