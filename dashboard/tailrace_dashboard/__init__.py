"""The dashboard: Elasticsearch, ZooKeeper and Kafka, made visible."""
