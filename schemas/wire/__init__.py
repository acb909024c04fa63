"""What the protocol says, one message a file. PROTOCOL.md is the normative text."""
