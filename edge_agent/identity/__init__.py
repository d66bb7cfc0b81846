"""Who this agent is: its key, its certificate, how it gets them and keeps them."""
