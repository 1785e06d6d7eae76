"""What the storage of a plan costs: exact arithmetic over prices that carry their day and source."""
