"""`api-server-rest`: the agent and the hub over HTTP on 127.0.0.1:8006. It holds no keys."""
