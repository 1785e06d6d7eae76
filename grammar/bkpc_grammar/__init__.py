"""The language and the contract: grammar, quantities, the typed plan."""
