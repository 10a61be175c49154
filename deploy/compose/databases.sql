-- Each service that keeps rows has a database of its own.
CREATE DATABASE ingest;
CREATE DATABASE notifier;
