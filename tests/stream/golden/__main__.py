"""Write the documents of all golden samples anew."""

from tests.stream.golden import write_expected

write_expected()
