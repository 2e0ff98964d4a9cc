"""Templates of lines: which lines say the same, with other values."""
