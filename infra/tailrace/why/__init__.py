"""What each hop did with one line of one file."""
