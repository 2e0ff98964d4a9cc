"""A small shop on Kafka: what message queues are good for, and logs worth looking at."""
