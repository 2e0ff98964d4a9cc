"""What every role stands on: settings, wire, topics, errors, clock, command line."""
