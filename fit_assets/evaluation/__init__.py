"""The evaluation room: metrics, slices, plots, A/B."""
