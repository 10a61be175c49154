"""`runbooks/README.md`: the alerts of `deploy/prometheus/rules.yml`, each with its runbook and the first sentence of it."""

import re
from pathlib import Path

import yaml
from pages.markdown import NOTE, table

_ROOT = Path(__file__).parents[2]
_RULES = _ROOT / "deploy" / "prometheus" / "rules.yml"

_INTRODUCTION = """# Runbooks

For each alert of [rules.yml](../../deploy/prometheus/rules.yml): what it means, how to look, what to do, and what not to do.
`critical`: somebody looks now. `warning`: somebody looks today.

The commands are for a shell that knows where things are:

```sh
export INGEST=https://ingest.example NOTIFIER=https://notifier.example PROMETHEUS=http://prometheus.example:9090
export KAFKA=kafka.example:9092 KEY=…                                       # a key of tenant=* ("steno keys add")
api() { curl -fsS -H "Authorization: Bearer $KEY" "$@"; }
ask() { promtool query instant "$PROMETHEUS" "$1"; }                        # of Prometheus
```

and one of these, for `logs SERVICE`:

```sh
logs() { docker compose logs --no-log-prefix --since 1h "$1"; }             # with Compose
```

```sh
logs() {                                                                    # with Kubernetes
  kubectl -n steno logs --since=1h --tail=-1 -l "app.kubernetes.io/name in ($1, $1-batch, $1-live)"
}
```

```sh
logs() { cat "steno-data/logs/$1.log"; }                                    # with `steno up`
```

`steno doctor` is where to begin: it looks at all parts and says what to do. `kafka-….sh` are Kafka's own tools. Where Kafka
cannot be reached from outside, run them and `steno` inside: `docker compose exec ingest steno doctor`,
`kubectl -n steno exec ingest-0 -- steno doctor`; with access control, Kafka's tools want `--command-config`.
Topics and groups have the prefix `steno.` unless
`STENO_TOPIC_PREFIX` says otherwise.

"""


def page() -> str:
    """The whole page."""
    groups = yaml.safe_load(_RULES.read_text("utf-8"))["groups"]
    rows = [
        [f"[{rule['alert']}]({rule['alert']}.md)", rule["labels"]["severity"], _first_sentence(rule["annotations"]["runbook"])]
        for group in groups
        for rule in group["rules"]
    ]
    return NOTE + _INTRODUCTION + table(["Alert", "Severity", "Means"], rows)


def _first_sentence(runbook: str) -> str:
    text = (_ROOT / runbook).read_text("utf-8")
    paragraph = text.split("## What it means\n\n", 1)[1].split("\n\n", 1)[0]
    return re.split(r"(?<=[.!?:]) ", " ".join(paragraph.splitlines()), maxsplit=1)[0].rstrip(":")
