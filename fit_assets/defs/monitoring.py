"""Group ``monitoring``: what was asked, and how serving is doing."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from fit_assets import artifacts, settings
from fit_assets.defs.common import OWNERS, check_result, materialized, source_digest, table_of

GROUP = "monitoring"

FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=2), warn_window=timedelta(days=1))


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=source_digest("serving/query_log.py"),
    pool="duckdb_write",
    freshness_policy=FRESH,
)
def query_log(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Every question that was asked, as a DuckDB table with views for review (failures, slow ones, samples)."""
    from fit_assets.serving.query_log import build_query_log, read_log

    rows = build_query_log()
    context.log.info("%d questions in the log", rows)
    path = settings.query_log_path()
    latest = read_log(datetime.now(UTC) - timedelta(days=30))[-20:]
    columns = [
        dg.TableColumn(key, type(value).__name__) for key, value in (latest[-1] if latest else {"question": ""}).items()
    ]
    return materialized(
        path,
        artifacts.digest_of(path),
        False,
        **{"dagster/row_count": rows, "dagster/column_schema": dg.TableSchema(columns)},
        latest=table_of(latest),
    )


@dg.asset(
    deps=[query_log],
    group_name=GROUP,
    kinds={"python"},
    owners=OWNERS,
    code_version=source_digest("serving/monitoring.py"),
    freshness_policy=FRESH,
)
def serving_health() -> dg.MaterializeResult[None]:
    """How serving is doing: success rate and 99th percentile of five minutes, model errors of an hour."""
    from fit_assets.serving.monitoring import health
    from fit_assets.serving.query_log import read_log

    now = datetime.now(UTC)
    state = health(read_log(now - timedelta(hours=1)), now)
    figures = {key: value for key, value in state.to_dict().items() if isinstance(value, int | float)}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifacts.digest_of_value(state.to_dict())),
        metadata={
            "status": state.status,
            "alerts": dg.MetadataValue.md("\n".join(f"- {alert}" for alert in state.alerts) or "none"),
            "judged_at": dg.MetadataValue.timestamp(now),
            **figures,
        },
    )


@dg.asset_check(asset=serving_health)
def no_alerts() -> dg.AssetCheckResult:
    """Success rate, latency and model errors are within their bounds."""
    from fit_assets.serving.monitoring import health
    from fit_assets.serving.query_log import read_log

    now = datetime.now(UTC)
    state = health(read_log(now - timedelta(hours=1)), now)
    return check_result(
        "no_alerts", "serving_health", state.status != "alert", "; ".join(state.alerts) or f"status {state.status}"
    )
