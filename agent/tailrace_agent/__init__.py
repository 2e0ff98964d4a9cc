"""The agent: files on a host become chunks in the topic `tailrace.raw`."""
