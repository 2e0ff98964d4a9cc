"""How people are told of alerts: what is said, to whom, and by which way."""
