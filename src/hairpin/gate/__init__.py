"""The gate takes answers: bytes in, durable records out, an acknowledgement only after that."""
