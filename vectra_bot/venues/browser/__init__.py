"""Live through the user's own Chrome: the page's connection is the link, and no key is handed over.

``cdp`` encodes and decodes the Chrome DevTools Protocol without I/O, ``transports`` carry it over a pipe or a
websocket, and ``client`` makes calls on one. ``profile`` and ``launch`` own the folder and the process of
our browser, ``keeper`` is the process that keeps it open between sessions. ``page`` watches one tab
and its connection, ``link`` supervises it, and ``venue`` has the feed and the gateway.

Imports wire, models, game, fsio and clock, and the link of the live venue. Starts a browser and a process
that keeps it open, opens named pipes and one connection to this machine.
"""
