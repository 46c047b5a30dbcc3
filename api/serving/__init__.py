"""What is between a socket and the application: processes, TLS, requests, bodies and answers."""
