"""What every event is made from; modules of events import it, `events.py` gathers them."""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """Base of all events. `at` is Unix time in seconds, put in by the wire."""

    at: float = 0.0
