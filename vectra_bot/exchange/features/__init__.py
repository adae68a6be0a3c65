"""The venue's features other than the market: drawings, side games, chat, notices, leaderboard, history."""
