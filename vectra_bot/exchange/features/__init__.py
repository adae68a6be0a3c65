"""What the venue offers beside the market: drawings, side games, chat, notices, leaderboard, history."""
