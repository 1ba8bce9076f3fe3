"""fit_assets: questions about UK Feed-in Tariff installations become JSON filters and rows.

The public Python interface is in :mod:`fit_assets.parsing` (parsers) and
:mod:`fit_assets.reference` (answers); the Dagster graph is :mod:`fit_assets.definitions`.
"""

__version__ = "0.1.0"
