"""The Kafka kernel: a producer that loses nothing, a consumer fit for jobs of minutes, and the topics of the catalogue."""
