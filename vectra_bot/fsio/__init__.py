"""The one way to the file system: every write, sync and rename, where tests inject faults."""
