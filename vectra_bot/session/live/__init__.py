"""Sessions of a real account: orders at a venue, or decisions of which none is sent (shadow).

``options`` is what a configuration file says of the account, ``config`` what a live session needs and its
checks before anything is connected, ``locks`` keeps a second instance from an account, ``day`` counts what
the day's earlier sessions lost, ``run`` runs a session, ``operator`` arms it, ``shadow`` logs in only,
``doctor`` checks machine, store, account and venue. Imports the sessions' common parts; nothing is imported
here, because the common configuration names the account's options.
"""
