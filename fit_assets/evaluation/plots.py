"""Plots as PNG bytes, for MLflow and for Dagster's metadata.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; series differ in shape or
pattern as well. Figures are drawn on matplotlib's ``Figure`` directly: no global state, no window system.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fit_assets.evaluation.calibration import Calibration
from fit_assets.evaluation.compare import Comparison
from fit_assets.evaluation.intervals import percentile
from fit_assets.evaluation.metrics import FieldConfusion, Metric
from fit_assets.evaluation.thresholds import METRIC_TARGETS, Target
from fit_assets.filters import TECHNOLOGIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#6E6E6E"

_TECHNOLOGY_COLOURS = dict(zip(TECHNOLOGIES, (BLUE, ORANGE, SKY, GREEN, PURPLE), strict=True))

_MANY_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)

Point = tuple[float, float]


def loss_curve(train: Sequence[Point], evaluation: Sequence[Point] = (), best_step: float | None = None) -> bytes:
    """Training and evaluation loss over steps, on a logarithmic axis; points are (step, loss)."""
    figure, axes = _figure(7, 3.6, "Loss while training")
    if train:
        axes.plot(*zip(*train, strict=True), color=GREY, linewidth=1.2, label="training")
    if evaluation:
        axes.plot(*zip(*evaluation, strict=True), color=BLUE, linewidth=2, marker="o", markersize=4, label="validation")
    if best_step is not None:
        axes.axvline(best_step, color=VERMILION, linestyle="--", linewidth=1.2, label=f"kept: step {best_step:g}")
    if train or evaluation:
        axes.set_yscale("log")
        axes.legend(frameon=False)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (log scale)")
    axes.grid(axis="y", which="major", alpha=0.3)
    return _png(figure)


def metrics_by_label(by_label: Mapping[str, Mapping[str, Metric]], metric: str, title: str) -> bytes:
    """One metric as bars with 95 % intervals, one bar a label, against its target; the worst on top.

    ``by_label`` is one dimension of ``Report.slices``.
    """
    rows = [(label, metrics[metric]) for label, metrics in by_label.items() if metrics[metric].value is not None]
    return _shares(sorted(rows, key=lambda row: (-(row[1].value or 0.0), row[0])), title, METRIC_TARGETS.get(metric))


def metrics_overview(metrics: Mapping[str, Metric], title: str) -> bytes:
    """The contract's metrics as bars with 95 % intervals, each with a mark at its own target."""
    rows = [(name, metrics[name]) for name in METRIC_TARGETS if name in metrics and metrics[name].value is not None]
    return _shares(rows[::-1], title, None)


def confusion_by_field(confusion: Sequence[FieldConfusion], title: str = "Errors by field", most: int = 15) -> bytes:
    """Errors by key, split into missing, spurious and wrong values; the most first, at most ``most`` keys."""
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in confusion if row.errors][:most][::-1]
    figure, axes = _figure(7, 1.4 + 0.32 * max(len(rows), 3), title)
    left = [0] * len(rows)
    for name, colour, hatch in (("missing", BLUE, ""), ("spurious", ORANGE, "///"), ("wrong value", VERMILION, "...")):
        counts = [getattr(row, name.removesuffix(" value")) for row in rows]
        axes.barh(
            [row.key for row in rows], counts, left=left, color=colour, hatch=hatch, edgecolor="white", label=name
        )
        left = [before + count for before, count in zip(left, counts, strict=True)]
    for position, (row, total) in enumerate(zip(rows, left, strict=True)):
        axes.text(total, position, f" {total} of {total + row.right}", va="center", fontsize=8, color=GREY)
    axes.set_xlabel("questions")
    if rows:
        axes.set_xlim(0, max(left) * 1.18)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, loc="lower right")
    else:
        _say(axes, "no errors")
    return _png(figure)


def ab_comparison(comparison: Comparison) -> bytes:
    """Two arms side by side: right answers with intervals, their paired difference, and the time a question takes."""
    figure, (shares, difference, times) = _figure_of(9, 3.4, "A/B on the same questions", (1.1, 1.3, 1.1))
    names, colours = [comparison.a, comparison.b], [GREY, BLUE]
    metrics = [comparison.success_a, comparison.success_b]
    for position, (metric, colour) in enumerate(zip(metrics, colours, strict=True)):
        value, low, high = metric.value or 0.0, metric.low or 0.0, metric.high or 0.0
        shares.errorbar(
            position,
            100 * value,
            yerr=[[100 * (value - low)], [100 * (high - value)]],
            fmt="o",
            color=colour,
            capsize=5,
        )
        shares.annotate(
            f"{100 * value:.1f} %", (position, 100 * value), xytext=(9, 0), textcoords="offset points", va="center"
        )
    shares.set_xticks([0, 1], names)
    shares.set_xlim(-0.5, 1.8)
    shares.set_ylabel("questions answered right (%)")
    shares.grid(axis="y", alpha=0.3)

    middle, low, high = (100 * value for value in comparison.difference)
    difference.errorbar(
        middle, 0, xerr=[[middle - low], [high - middle]], fmt="s", color=VERMILION, capsize=5, markersize=7
    )
    difference.axvline(0, color=GREY, linewidth=1)
    difference.annotate(f"{middle:+.1f}", (middle, 0), xytext=(0, 9), textcoords="offset points", ha="center")
    difference.set_yticks([])
    difference.spines["left"].set_visible(False)
    difference.set_ylim(-1, 1)
    reach = 1.25 * max(abs(low), abs(high))
    difference.set_xlim(-reach, reach)
    difference.set_xlabel(f"{comparison.b} minus {comparison.a} (points)\np = {comparison.p_value:.2g}")

    medians = [comparison.median_ms_a, comparison.median_ms_b]
    bars = times.bar(names, medians, color=colours, width=0.55)
    times.bar_label(bars, fmt="%.0f", padding=2)
    times.set_ylabel("median time a question (ms)")
    times.margins(y=0.15)
    return _png(figure)


def capacity_by_region(installations: pd.DataFrame) -> bytes:
    """Installed capacity in MW by region, stacked by technology; regions without a name are left out.

    Args:
        installations: columns ``region``, ``technology``, ``capacity_kw``.
    """
    totals = installations.pivot_table(
        index="region", columns="technology", values="capacity_kw", aggfunc="sum", fill_value=0.0
    )
    totals = totals.loc[totals.sum(axis=1).sort_values().index] / 1000
    figure, axes = _figure(7.5, 1.4 + 0.32 * max(len(totals), 3), "Installed capacity by region")
    left = [0.0] * len(totals)
    for technology in (name for name in TECHNOLOGIES if name in totals.columns):
        values = totals[technology].tolist()
        axes.barh(
            list(totals.index),
            values,
            left=left,
            color=_TECHNOLOGY_COLOURS[technology],
            edgecolor="white",
            linewidth=0.5,
            label=technology,
        )
        left = [before + value for before, value in zip(left, values, strict=True)]
    for position, total in enumerate(left):
        axes.text(total, position, f" {total:,.0f}", va="center", fontsize=8, color=GREY)
    axes.set_xlabel("MW")
    axes.margins(x=0.08)
    figure.legend(frameon=False, loc="outside lower center", ncols=len(TECHNOLOGIES), fontsize=9)
    return _png(figure)


def capacity_by_technology(installations: pd.DataFrame) -> bytes:
    """Installed capacity in MW by technology, on a logarithmic axis, with the number of installations.

    Args:
        installations: columns ``technology``, ``capacity_kw`` and ``installations``, their number.
    """
    totals = installations.groupby("technology")[["capacity_kw", "installations"]].sum().sort_values("capacity_kw")
    figure, axes = _figure(7.5, 1.4 + 0.32 * max(len(totals), 3), "Installed capacity by technology")
    megawatts = (totals["capacity_kw"] / 1000).tolist()
    axes.barh(list(totals.index), megawatts, color=[_TECHNOLOGY_COLOURS.get(name, GREY) for name in totals.index])
    for position, (value, count) in enumerate(zip(megawatts, totals["installations"], strict=True)):
        axes.text(value, position, f" {value:,.2f} MW, {count:,} sites", va="center", fontsize=8, color=GREY)
    axes.set_xscale("log")
    axes.set_xlabel("MW (log scale)")
    axes.margins(x=0.35)
    return _png(figure)


def capacity_by_year(installations: pd.DataFrame) -> bytes:
    """Installed capacity in MW by year of commissioning, stacked by technology.

    Args:
        installations: columns ``commissioned_year``, ``technology``, ``capacity_kw``.
    """
    totals = installations.pivot_table(
        index="commissioned_year", columns="technology", values="capacity_kw", aggfunc="sum", fill_value=0.0
    )
    figure, axes = _figure(7.5, 3.6, "Installed capacity by year of commissioning")
    below = [0.0] * len(totals)
    for technology in (name for name in TECHNOLOGIES if name in totals.columns):
        values = (totals[technology] / 1000).tolist()
        axes.bar(
            [str(int(year)) for year in totals.index],
            values,
            bottom=below,
            color=_TECHNOLOGY_COLOURS[technology],
            edgecolor="white",
            linewidth=0.5,
            label=technology,
        )
        below = [before + value for before, value in zip(below, values, strict=True)]
    axes.set_ylabel("MW")
    axes.tick_params(axis="x", rotation=60)
    figure.legend(frameon=False, loc="outside lower center", ncols=len(TECHNOLOGIES), fontsize=9)
    return _png(figure)


def place_coverage(coverage: pd.DataFrame, most: int = 12) -> bytes:
    """Recall against precision of each place's postcode patterns, in percent; the poorest ``most`` by name.

    Args:
        coverage: columns ``place``, ``kind``, ``recall``, ``precision``; places without a figure are left out.
    """
    measured = coverage.dropna(subset=["recall", "precision"])
    figure, axes = _figure(7.5, 5.2, "What the postcode patterns of a place find")
    for kind, colour, marker in zip(sorted(measured["kind"].unique()), _MANY_COLOURS, "osD^vP*X", strict=False):
        some = measured[measured["kind"] == kind]
        label = kind.replace("_", " ")
        axes.scatter(100 * some["precision"], 100 * some["recall"], c=colour, marker=marker, s=22, label=label)
    poorest = measured.assign(least=measured[["recall", "precision"]].min(axis=1)).nsmallest(most, "least")
    for row in poorest.itertuples():
        axes.annotate(
            str(row.place),
            (100 * float(row.precision), 100 * float(row.recall)),  # type: ignore[arg-type]
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=7,
        )
    axes.set_xlabel("precision: of the rows found, in the place (%)")
    axes.set_ylabel("recall: of the place's rows, found (%)")
    axes.set_xlim(0, 103)
    axes.set_ylim(0, 103)
    axes.grid(alpha=0.3)
    if len(measured):
        axes.legend(frameon=False, fontsize=8)
    else:
        _say(axes, "nothing measured")
    return _png(figure)


def calibration(measured: Calibration, title: str = "Confidence and right answers") -> bytes:
    """Right answers by confidence with 95 % intervals, and right answers when only the surest are given."""
    figure, (bars, curve) = _figure_of(9, 3.4, title, (1.0, 1.0))
    for position, one in enumerate(measured.bins):
        value, low, high = _percent(one.right)
        bars.bar(position, value, width=0.7, color=BLUE)
        bars.errorbar(position, value, yerr=[[value - low], [high - value]], color="black", capsize=3, linewidth=1.2)
        bars.plot([position - 0.35, position + 0.35], [100 * one.mean_confidence] * 2, color=VERMILION, linewidth=2)
        bars.annotate(f"n={one.right.n}", (position, 2), ha="center", fontsize=7, color="white")
    bars.set_xticks(range(len(measured.bins)), [f"{one.low:g} to {one.high:g}" for one in measured.bins], rotation=30)
    bars.set_xlabel("confidence; red: its mean")
    bars.set_ylabel("right answers (%)")
    bars.set_ylim(0, 103)
    curve.plot([100 * kept for kept, _ in measured.kept], [100 * right for _, right in measured.kept], color=GREEN)
    curve.set_xlabel("questions answered, the surest first (%)")
    curve.set_ylabel("right among them (%)")
    curve.grid(alpha=0.3)
    if measured.auroc is not None:
        curve.set_title(f"area under the ROC curve {measured.auroc:.2f}", fontsize=9)
    return _png(figure)


def latency_histogram(latencies_ms: Sequence[float], title: str = "Time a question takes") -> bytes:
    """Histogram of latencies in milliseconds with the 50th, 95th and 99th percentile.

    Raises:
        ValueError: no latencies.
    """
    figure, axes = _figure(7, 3.4, title)
    axes.hist(latencies_ms, bins=40, color=SKY, edgecolor="white", linewidth=0.5)
    for percent, colour, style in ((50, GREEN, "-"), (95, BLUE, "--"), (99, VERMILION, ":")):
        value = percentile(latencies_ms, percent)
        axes.axvline(value, color=colour, linestyle=style, linewidth=1.8, label=f"p{percent}: {value:.0f} ms")
    axes.set_xlabel("ms")
    axes.set_ylabel("questions")
    axes.set_xlim(left=0)
    axes.legend(frameon=False)
    return _png(figure)


def _shares(rows: Sequence[tuple[str, Metric]], title: str, target: Target | None) -> bytes:
    """Horizontal bars of shares, from bottom to top; one common target as a line, or each metric's own as a mark."""
    figure, axes = _figure(7.5, 1.4 + 0.34 * max(len(rows), 3), title)
    for position, (_, metric) in enumerate(rows):
        value, low, high = (100 * (part or 0.0) for part in (metric.value, metric.low, metric.high))
        goal = target or metric.target
        met = goal is None or goal.met_by(value / 100)
        axes.barh(
            position, value, height=0.62, color=BLUE if met else ORANGE, hatch="" if met else "//", edgecolor="white"
        )
        axes.errorbar(value, position, xerr=[[value - low], [high - value]], color="black", capsize=3, linewidth=1.2)
        axes.text(101.5, position, f"{value:.1f} %  (n = {metric.n:,})", va="center", fontsize=8)
        if target is None and metric.target:
            axes.plot(
                [100 * metric.target.bound] * 2,
                [position - 0.4, position + 0.4],
                color=VERMILION,
                linewidth=2,
                clip_on=False,
            )
    if target is not None:
        axes.axvline(100 * target.bound, color=VERMILION, linestyle="--", linewidth=1.3)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlim(0, 100)
    targets = target is not None or any(metric.target for _, metric in rows)
    axes.set_xlabel("%, with 95 % interval" + ("; red: target; hatched: target not met" if targets else ""))
    if not rows:
        _say(axes, "nothing measured")
    return _png(figure)


def _percent(metric: Metric) -> tuple[float, float, float]:
    """Value and interval in percent."""
    return 100 * (metric.value or 0.0), 100 * (metric.low or 0.0), 100 * (metric.high or 0.0)


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure, (axes,) = _figure_of(width, height, title, (1.0,))
    return figure, axes


def _figure_of(width: float, height: float, title: str, widths: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure of inches with axes side by side; the title stands above all of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure, list(axes)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
