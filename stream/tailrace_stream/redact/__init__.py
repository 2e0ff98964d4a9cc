"""What is taken out of events in the stream: by pattern as at the agent, and by field."""
