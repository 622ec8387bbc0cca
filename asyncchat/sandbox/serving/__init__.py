"""The server below its public face: from bytes to a call, from an answer to bytes."""
