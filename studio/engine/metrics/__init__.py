"""What is measured of a model; a module for each row of `contract.metrics.METRICS`."""
