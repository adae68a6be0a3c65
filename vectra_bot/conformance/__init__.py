"""Compare our exchange with captures of the venue: frames, the crowd, money, the law, trades."""
