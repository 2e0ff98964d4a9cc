"""The indexer: ready bulk lines become documents in Elasticsearch."""
