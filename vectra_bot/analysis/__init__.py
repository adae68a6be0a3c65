"""Analysis over laws, files and stores: verification, exact odds, reports."""
