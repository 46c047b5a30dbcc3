"""Who asks, as tokens say it: verified, or refused."""
