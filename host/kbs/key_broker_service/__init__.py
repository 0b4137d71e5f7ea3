"""The Key Broker Service: sessions, administration, resource policy, plugins, HTTP API."""
