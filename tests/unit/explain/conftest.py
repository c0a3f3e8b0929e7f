from explain_paths import films, music

__all__ = ["films", "music"]
