"""Seconds in words."""


def duration(seconds: float) -> str:
    """'0.2 s', '45 s', '3 min 05 s' or '2 h 10 min'."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
