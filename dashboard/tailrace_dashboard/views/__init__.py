"""What the pages look like: drawing only; what is drawn is decided elsewhere."""
