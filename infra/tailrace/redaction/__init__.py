"""What is taken out of events before they leave the host, and what stands in its place."""
