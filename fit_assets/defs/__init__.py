"""Dagster's layer, and the only place that imports dagster."""
