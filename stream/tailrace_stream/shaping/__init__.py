"""Which events become no document by a rule, and that all of them are accounted for."""
