"""The feed: this process's ordered changes of the database."""
