"""One module a check: a row of `studio.data.doctor.CHECKS`."""
