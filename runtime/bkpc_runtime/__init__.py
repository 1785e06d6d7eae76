"""A plan to MySQL and object storage."""
