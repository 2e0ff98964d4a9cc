"""Rules and alerts: what is asked of the indices, what is decided, told, and to whom."""
