"""File locks, which only POSIX systems have: one clear error for an import anywhere else."""

try:
    import fcntl
except ImportError as error:
    raise ImportError("vectra-bot needs Linux or macOS; on Windows use WSL") from error

__all__ = ["fcntl"]
