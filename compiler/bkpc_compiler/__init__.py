"""`.bkp` sources to diagnostics, proofs and a plan. Pure: no network, no clock, no randomness."""
