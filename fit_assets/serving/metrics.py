"""What Prometheus reads: one registry for each service, and every metric's name in this module alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from fit_assets.parsing.cache import CacheState

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and histograms that the service moves; what can be asked for is asked at each scrape."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.questions = Counter(
            "fit_questions", "Questions by arm, parser and outcome.", ["arm", "parser", "outcome"], registry=registry
        )
        self.parse_seconds = Histogram(
            "fit_parse_seconds", "Time from question to filters.", ["parser"], buckets=_BUCKETS, registry=registry
        )
        self.answer_seconds = Histogram(
            "fit_answer_seconds", "Time from question to rows.", buckets=_BUCKETS, registry=registry
        )
        self.model_errors = Counter(
            "fit_model_errors", "Questions that the model failed, whoever answered.", registry=registry
        )
        self.reactions = Counter("fit_reactions", "What people said of answers.", ["verdict"], registry=registry)
        self.log_lines = Counter(
            "fit_log_lines", "Lines of the query log by what became of them.", ["result"], registry=registry
        )
        self.http_requests = Counter(
            "fit_http_requests", "HTTP requests.", ["path", "method", "status"], registry=registry
        )
        self.http_seconds = Histogram(
            "fit_http_seconds", "Time of an HTTP request.", ["path"], buckets=_BUCKETS, registry=registry
        )
        self.http_refused = Counter("fit_http_refused", "Requests refused by a limit.", ["reason"], registry=registry)
        self.http_in_flight = Gauge("fit_http_in_flight", "Questions that are being worked on.", registry=registry)
        for result in ("written", "lost"):
            self.log_lines.labels(result)
        for verdict in ("right", "wrong", "helpful", "unhelpful"):
            self.reactions.labels(verdict)
        for reason in ("key", "rate", "concurrency", "size", "slow"):
            self.http_refused.labels(reason)

    def watch(
        self,
        *,
        version: Callable[[], str],
        model_up: Callable[[], bool],
        cache: Callable[[], CacheState | None],
        log_behind: Callable[[], int],
        log_copy_up: Callable[[], bool],
    ) -> None:
        """Ask these at each scrape."""
        self.registry.register(_State(version, model_up, cache, log_behind, log_copy_up))

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self.registry)


class _State(Collector):
    def __init__(
        self,
        version: Callable[[], str],
        model_up: Callable[[], bool],
        cache: Callable[[], CacheState | None],
        log_behind: Callable[[], int],
        log_copy_up: Callable[[], bool],
    ) -> None:
        self._version = version
        self._model_up = model_up
        self._cache = cache
        self._log_behind = log_behind
        self._log_copy_up = log_copy_up

    def collect(self) -> Iterator[Metric]:
        """The state at this moment."""
        build = GaugeMetricFamily("fit_build_info", "The model version that is served.", labels=["version"])
        build.add_metric([self._version()], 1)
        yield build
        yield GaugeMetricFamily("fit_model_up", "1 while a model answers.", float(self._model_up()))
        yield GaugeMetricFamily("fit_log_behind_bytes", "Bytes of the log not copied yet.", float(self._log_behind()))
        yield GaugeMetricFamily("fit_log_copy_up", "1 while the copy of the log works.", float(self._log_copy_up()))
        state = self._cache()
        yield GaugeMetricFamily("fit_cache_up", "1 while the cache works.", float(state is None or not state.problem))
        lookups = CounterMetricFamily("fit_cache_lookups", "Lookups in the cache.", labels=["result"])
        lookups.add_metric(["hit"], state.hits if state else 0)
        lookups.add_metric(["miss"], state.misses if state else 0)
        yield lookups
