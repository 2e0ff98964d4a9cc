"""What is added to events that they do not say themselves: where from, by what, in which trace."""
