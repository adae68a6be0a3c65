"""Sessions of a real account: orders at a venue, or decisions of which none is sent (shadow).

``config`` says what a live session needs and checks it before anything is connected, ``locks`` keeps a second
instance from an account, ``run`` runs the session, ``loop`` drives it, ``status`` says what it is doing.
"""

from vectra_bot.session.live.config import LiveConfig, LiveOptions

__all__ = ["LiveConfig", "LiveOptions"]
