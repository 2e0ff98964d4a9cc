"""Pure functions of a chunk's lines, one module a shape; see `tailrace_stream.parsing`."""
