"""What the OCI distribution conformance suite asks, 1.1 and the development head, as tests."""
