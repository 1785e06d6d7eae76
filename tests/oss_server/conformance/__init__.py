"""The live test-suites of Alibaba's own SDKs, run against the server: proof of likeness."""
