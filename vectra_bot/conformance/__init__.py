"""Our exchange against captures of the venue: frames, the crowd, money, the law, trades."""
