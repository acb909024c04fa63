"""The database: where it is, whether it will do, what is in it, reads and writes."""
