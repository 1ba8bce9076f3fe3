"""The serving room: query log, feedback, monitoring."""
