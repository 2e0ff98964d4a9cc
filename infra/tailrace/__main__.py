"""`python -m tailrace` is `tailrace`: how a supervisor starts a role."""

from tailrace.entry import main

main()
