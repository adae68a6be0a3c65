"""What the game is: pure and deterministic rules, price law, state and money.

Imports models and errors; ``game.rules`` imports nothing, so any room may use its constants. No I/O, clock
or task. numpy is imported only where an array of prices is requested.
"""
