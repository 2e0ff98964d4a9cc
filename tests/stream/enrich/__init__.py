"""Enrichment: addresses, user agents, ids, levels, tables, names."""
