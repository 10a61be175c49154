"""Draws a dashboard from the answers of a Prometheus."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image
from support.prometheus import Prometheus, Series

_COLUMNS = 24
_INCHES = 0.55, 0.36
"""The width of a column and the height of a row of Grafana's grid."""

_ROWS_BELOW = 2.1
"""What the times and the legend take of a graph."""

_DOTS_PER_INCH = 66
_RATE_INTERVAL = "1m"
_NOTHING = "none"
_RED, _GREEN, _GREY, _GROUND = "#c4162a", "#37872d", "#6e7687", "#f4f5f5"
_LINES = ("#1f60c4", "#e0752d", "#37872d", "#8f3bb8", "#b5871b", "#0f8f9f", "#c4162a", "#6e7687")
_MOST_SERIES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The span of time that is drawn, in seconds since 1970."""

    start: float
    end: float
    step: float


async def draw(board: Mapping[str, Any], prometheus: Prometheus, span: Span) -> bytes:
    """A dashboard (its JSON) as a PNG of few colours."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = Figure(figsize=(_COLUMNS * _INCHES[0], rows * _INCHES[1]), dpi=_DOTS_PER_INCH, facecolor=_GROUND)
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, bottom = place["x"] / _COLUMNS, 1 - (place["y"] + place["h"]) / rows
        width, height = place["w"] / _COLUMNS, place["h"] / rows
        is_graph = panel["type"] == "timeseries"
        below, beside = (_ROWS_BELOW, 0.042) if is_graph else (0, 0.008)
        axes = figure.add_axes((left + beside, bottom + below / rows, width - beside - 0.008, height - (below + 1) / rows))
        if panel["type"] == "text":
            _write(axes, panel)
            continue
        answers = await _answers(panel, prometheus, span)
        if panel["type"] == "stat":
            _number(axes, panel, answers)
        else:
            _graph(axes, panel, answers, span)
    return _png(figure)


async def _answers(panel: Mapping[str, Any], prometheus: Prometheus, span: Span) -> list[tuple[str, Series]]:
    """The series of a panel, each with its name in the legend, those with points alone."""
    found = []
    for target in panel["targets"]:
        promql = target["expr"].replace("$__rate_interval", _RATE_INTERVAL)
        answer = await prometheus.ask_range(promql, start=span.start, end=span.end, step=span.step)
        found += [(_name(target["legendFormat"], series.labels), series) for series in answer if series.points]
    return found


def _name(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)


def _number(axes: Axes, panel: Mapping[str, Any], answers: Sequence[tuple[str, Series]]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    bad_from = defaults["thresholds"]["steps"][-1]["value"]
    value = answers[0][1].last if answers else None
    bad = value is not None and bad_from is not None and value >= bad_from
    text = _NOTHING if value is None else _with_unit(value, defaults["unit"])
    colour = _GREY if value is None else _RED if bad else _GREEN
    axes.text(0.5, 0.5, text, fontsize=17, ha="center", va="center", color=colour, fontweight="bold", transform=axes.transAxes)
    axes.set_axis_off()
    title = "\n".join(wrap(panel["title"], 18))
    axes.text(0.5, 0.95, title, fontsize=7.5, ha="center", va="top", fontweight="bold", transform=axes.transAxes)


def _graph(axes: Axes, panel: Mapping[str, Any], answers: Sequence[tuple[str, Series]], span: Span) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    busiest = sorted(answers, key=lambda answer: -max(value for _, value in answer[1].points))[:_MOST_SERIES]
    for colour, (name, series) in zip(_LINES, busiest, strict=False):
        times = [datetime.fromtimestamp(at, UTC) for at, _ in series.points]
        axes.plot(times, [value for _, value in series.points], color=colour, linewidth=1.3, label=name or panel["title"])  # type: ignore[arg-type]
    axes.set_xlim(datetime.fromtimestamp(span.start, UTC), datetime.fromtimestamp(span.end, UTC))  # type: ignore[arg-type]
    most = max((value for _, series in busiest for _, value in series.points), default=0)
    axes.set_ylim(0, 1.1 * most or 1)
    axes.set_title(panel["title"], fontsize=8, fontweight="bold", loc="left", pad=4)
    locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _with_unit(value, defaults["unit"])))
    axes.tick_params(labelsize=6.5, length=2)
    axes.grid(visible=True, color="#dcdfe3", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if busiest:
        axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(-0.06, -0.1), frameon=False, ncols=2, handlelength=1.2)
    else:
        axes.text(0.5, 0.5, _NOTHING, fontsize=8, ha="center", va="center", color=_GREY, transform=axes.transAxes)


def _write(axes: Axes, panel: Mapping[str, Any]) -> None:
    text = f"{panel['title']}\n\n{panel['options']['content']}"
    axes.text(0, 0.9, text.replace("$", r"\$"), fontsize=7.5, ha="left", va="top", transform=axes.transAxes)
    axes.set_axis_off()


def _with_unit(value: float, unit: str) -> str:
    match unit:
        case "s":
            return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
        case "percentunit":
            return f"{value:.0%}"
        case "bytes" | "Bps":
            shown, prefix = _scaled(value, 1024, ("", "Ki", "Mi", "Gi"))
            return f"{shown:.3g} {prefix}B" + ("/s" if unit == "Bps" else "")
        case "bool_yes_no":
            return "Yes" if value else "No"
        case _:
            shown, prefix = _scaled(value, 1000, ("", "k", "M", "G"))
            return f"{shown:.3g}{' ' + prefix if prefix else ''}"


def _scaled(value: float, base: int, prefixes: Sequence[str]) -> tuple[float, str]:
    for prefix in prefixes[:-1]:
        if abs(value) < base:
            return value, prefix
        value /= base
    return value, prefixes[-1]


def _png(figure: Figure) -> bytes:
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    exact = Image.open(drawn).convert("RGB")
    exact.quantize(palette=_palette(), dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def _palette() -> Image.Image:
    """The colours that are drawn with, and what lies between them and the ground where edges are smoothed."""
    shades = [(grey, grey, grey) for grey in range(0, 256, 32)] + [_parts(_GROUND), (255, 255, 255)]
    for colour in (*_LINES, _RED, _GREEN):
        shades += [tuple(round(255 - (255 - part) * share) for part in _parts(colour)) for share in (1, 0.6, 0.3)]  # type: ignore[misc]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for shade in shades for part in shade])
    return palette


def _parts(colour: str) -> tuple[int, int, int]:
    """The parts of a colour such as #1f60c4."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
