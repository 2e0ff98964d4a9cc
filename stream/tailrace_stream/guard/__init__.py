"""What the index would refuse of a document, or pass over, and where it goes instead."""
