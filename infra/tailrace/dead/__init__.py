"""The dead letters: grouped by what is behind them, mended, and sent again."""
