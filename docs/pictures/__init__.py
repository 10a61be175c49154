"""The pictures of `watching.md`: what the dashboards ask, answered by a real Prometheus that scraped a real suite.

Grafana does not draw them; its panels look different and show the same.
"""
