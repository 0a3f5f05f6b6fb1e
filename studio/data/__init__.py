"""Dataset files become records. Knows neither Qt nor torch."""
