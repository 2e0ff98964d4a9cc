"""What Tailrace costs and how fast it is, measured on the real roles and servers."""
