"""ttRPC over asyncio streams: server and client."""
