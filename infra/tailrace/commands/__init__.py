"""What each command of `tailrace` does; `tailrace.cli` lists them."""
