"""The dashboards for Grafana, described once and written as its JSON.

python -m watching            # after a change of a dashboard, in `deploy`
python -m watching --check    # in CI: fails when a file is not what the description makes
"""
