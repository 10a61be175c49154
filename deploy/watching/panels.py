"""What dashboards are made of, in a few words, and Grafana's JSON of it. Pure.

A panel answers one question of whoever is on call. Its description says what a bad answer means.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.text import TextMode

Unit = Literal["s", "short", "percentunit", "bytes", "Bps", "bool_yes_no"]
"""Grafana's names of the units that are used: seconds, a number, a share from 0 to 1, bytes, bytes a second, yes or no."""

_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_INTERVAL = "$__rate_interval"


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One question, and the queries that answer it."""

    question: str
    means: str
    #: PromQL by the name of what it gives; `{{label}}` in a name is the value of a label.
    queries: Mapping[str, str]
    unit: Unit = "short"
    #: From here on the answer is bad, and red.
    bad_from: float | None = None
    #: A `number` is the present value in large; a `graph` is its course.
    shows: Literal["number", "graph"] = "graph"
    #: Of 24 columns, and in rows of Grafana's grid.
    width: int = 8
    height: int = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Text (Markdown) among the panels."""

    title: str
    markdown: str
    width: int = 24
    height: int = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """A dashboard; its name is that of its file, and with `steno-` before it its uid."""

    name: str
    title: str
    means: str
    panels: tuple[Panel | Note, ...]
    #: Fields to fill in above the panels, for use in a `Note`, with their labels.
    fields: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> str:
        """The dashboard as Grafana imports it."""
        made = (
            build.Dashboard(f"Steno: {self.title}")
            .uid(f"steno-{self.name}")
            .description(self.means)
            .tags(["steno"])
            .timezone("browser")
            .time("now-1h", "now")
            .refresh("30s")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .link(
                build.DashboardLink("Steno")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags(["steno"])
                .as_dropdown(True)
                .keep_time(True)
                .include_vars(True)
            )
            .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
            .with_variable(build.AdHocVariable("only").label("Only").datasource(_SOURCE))
        )
        for name, label in self.fields.items():
            made.with_variable(build.TextBoxVariable(name).label(label).default_value(""))
        for number, panel in enumerate(self.panels, 1):
            made.with_panel(_note(panel, number) if isinstance(panel, Note) else _panel(panel, number))
        return json.dumps(made.build(), cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def percentile(share: float, histogram: str, by: str = "") -> str:
    """The query of a percentile of a histogram's observations over all processes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[{_INTERVAL}])))"


def percentiles(histogram: str) -> dict[str, str]:
    """The median and the 95th percentile of a histogram."""
    return {"half": percentile(0.5, histogram), "95 of 100": percentile(0.95, histogram)}


def per_minute(counter: str, by: str = "", having: str = "") -> str:
    """The query of how much a counter rises in a minute, over all processes."""
    grouping = f" by ({by})" if by else ""
    return f"60 * sum{grouping} (rate({counter}{having}[{_INTERVAL}]))"


def per_second(counter: str, by: str = "") -> str:
    """The query of how much a counter rises in a second, over all processes."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({counter}[{_INTERVAL}]))"


def _panel(panel: Panel, number: int) -> stat.Panel | timeseries.Panel:
    made = _number() if panel.shows == "number" else _graph()
    made.id(number).title(panel.question).description(panel.means).datasource(_SOURCE).unit(panel.unit).min(0).no_value("none")
    made.span(panel.width).height(panel.height)
    made.thresholds(build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(_steps(panel)))
    for letter, (name, query) in zip("ABCDEFGH", panel.queries.items(), strict=False):
        made.with_target(prometheus.Dataquery().ref_id(letter).datasource(_SOURCE).expr(query).legend_format(name).range())
    return made


def _steps(panel: Panel) -> list[model.Threshold]:
    good = [model.Threshold(value=None, color="green")]
    return good if panel.bad_from is None else [*good, model.Threshold(value=panel.bad_from, color="red")]


def _number() -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.AUTO)
    )


def _graph() -> timeseries.Panel:
    lines = build_common.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.LINE)
    legend = build_common.VizLegendOptions().show_legend(True)
    return (
        timeseries.Panel()
        .legend(legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM))
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .fill_opacity(8)
        .show_points(common.VisibilityMode.NEVER)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .thresholds_style(lines)
    )


def _note(note: Note, number: int) -> text.Panel:
    made = text.Panel().id(number).title(note.title).span(note.width).height(note.height)
    return made.mode(TextMode.MARKDOWN).content(note.markdown)
