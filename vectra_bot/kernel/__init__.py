"""The price law compiled: C sources, loader and wrappers; equal to ``game.fair`` bit for bit, never required.

``play`` replays one game, ``batch`` many exactly or drawn from the law, ``sampled`` draws them by number,
``exits`` finds where declared exits are due. Each gives the same results without the compiled library,
slower: ``library.status`` says which is in use. ``times`` draws the times of games as ``exchange.jitter``
does, from its tables, and needs the library. ``build`` compiles it with whatever compiler is there. Imports
errors and game; numpy in ``batch``, ``drawn``, ``sampled``, ``exits`` and ``times``. This module imports
nothing, since a build loads it before its libraries.
"""
