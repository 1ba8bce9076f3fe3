"""Group ``reference``: the tables that questions are about, in DuckDB."""

import dagster as dg

from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    source_digest,
)

GROUP = "reference"


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "csv"},
    owners=OWNERS,
    code_version=source_digest("places.py"),
    pool="duckdb_write",
)
def places(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The gazetteer: every place that a question may name, with its kind, aliases and postcode patterns."""


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=source_digest("reference/ingest.py", "reference/standin.py"),
    pool="duckdb_write",
)
def installations(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The non-domestic installations of the scheme: Ofgem's report files, or a stand-in register until they are there.

    Which of the two it is stands in the table's column ``source`` and in the metadata.
    """


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "csv"},
    owners=OWNERS,
    code_version=source_digest("reference/tariffs.py"),
    pool="duckdb_write",
)
def tariff_rates(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """Ofgem's published generation and export tariffs by technology, capacity and eligibility date."""


@dg.asset(
    deps=[installations, tariff_rates],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=source_digest("reference/facts.py"),
    pool="duckdb_write",
)
def installation_facts(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """What follows for each installation: tariff end, tariff, yearly yield and revenue."""
