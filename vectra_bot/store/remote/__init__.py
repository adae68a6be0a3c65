"""A store in an object store: addresses, objects, upload."""
