"""Whether everything adds up: what each hop says, against what Elasticsearch holds."""
