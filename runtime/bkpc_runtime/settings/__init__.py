"""What buckets must look like, beside what they look like: `reconcile.py` has the way through."""
