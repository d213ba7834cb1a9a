"""The simulated Stripe over HTTP: what comes in goes to the door one request after another, and webhooks go out to the endpoints."""
