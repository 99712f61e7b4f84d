"""See the package."""


class LRUCacheWorkerLoRAManager:
    """EasyR1 sets its loader as an attribute here; the CPU layer never calls it."""
