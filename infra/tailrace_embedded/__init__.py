"""Real Kafka, ZooKeeper and Elasticsearch as child processes, from ordinary packages."""
