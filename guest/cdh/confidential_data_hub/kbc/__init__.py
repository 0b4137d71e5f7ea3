"""Key broker clients: where the hub gets resources from."""

from confidential_data_hub.kbc.contract import KeyBrokerClient, OwnedKeyBrokerClient

__all__ = ["KeyBrokerClient", "OwnedKeyBrokerClient"]
