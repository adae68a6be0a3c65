"""What the game is: pure and deterministic rules, price law, state and money."""
