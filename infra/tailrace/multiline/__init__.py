"""Which lines of a file make one event: a pure function of the lines and a rule."""
