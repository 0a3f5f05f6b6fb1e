"""What both processes agree on: settings, jobs, events, commands, errors. Knows neither Qt nor torch."""
