"""The contract with the world in Python: records, their ids, their Avro and the topic catalogue."""
