"""What the venue offers beside the market: drawings, side games, chat, notices, leaderboard, history.

Each module is one feature of the exchange. Imports game, models and wire; no I/O, clock or task.
"""
