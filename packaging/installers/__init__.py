"""Makes what people install: `python3 packaging/dev.py package`. Standard library only; it fetches its own tools."""
