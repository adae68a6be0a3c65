"""Episodes: games that our bot played, as data to learn from; and trades of others, to imitate.

Reads a store, writes datasets. :mod:`~vectra_bot.analysis.episodes.fold` makes episodes with their steps of
the documents of a session, :mod:`~vectra_bot.analysis.episodes.export` writes them with a card, and
:mod:`~vectra_bot.analysis.episodes.leaks` checks that no column says what comes after its step.
"""
