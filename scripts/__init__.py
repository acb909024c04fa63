"""What developers run, beside the server."""
