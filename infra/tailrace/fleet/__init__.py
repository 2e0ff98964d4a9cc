"""A fleet of agents: who is in it, and which configuration each is to have."""
