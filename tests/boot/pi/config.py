"""config.txt: sections, and the few settings that choose what is loaded."""

from . import Refused

INCLUDE_DEPTH = 4


class Config:
    """The settings that hold for one model."""

    def __init__(self, default_dtb):
        self.values = {"cmdline": "cmdline.txt", "os_prefix": "", "overlay_prefix": "overlays/", "device_tree": default_dtb}
        self.initramfs = None
        self.overlays = []
        self.includes = []

    @property
    def kernel(self):
        default = "kernel8.img" if self.values.get("arm_64bit", "1") == "1" else "kernel7l.img"
        return self._prefixed(self.values.get("kernel", default))

    @property
    def initramfs_file(self):
        if self.initramfs:
            return self._prefixed(self.initramfs)
        return self._prefixed("initramfs8") if self.values.get("auto_initramfs") == "1" else None

    @property
    def cmdline(self):
        return self._prefixed(self.values["cmdline"])

    @property
    def device_tree(self):
        return self._prefixed(self.values["device_tree"])

    def _prefixed(self, name):
        return name if name.startswith("/") else self.values["os_prefix"] + name


def parse(text, model, default_dtb, fetch_include=None):
    """The Config that `text` means for a model (pi3, pi4). fetch_include(name) -> text or None, for `include`."""
    config = Config(default_dtb)
    _apply(config, text, model, fetch_include, 0)
    return config


def _apply(config, text, model, fetch_include, depth):
    if depth > INCLUDE_DEPTH:
        raise Refused("config.txt includes itself")
    active = True
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            active = line.lower() in ("[all]", f"[{model}]")
        elif line and active:
            _setting(config, line, model, fetch_include, depth)


def _setting(config, line, model, fetch_include, depth):
    words = line.split()
    if words[0] == "include" and len(words) == 2:
        config.includes.append(words[1])
        included = fetch_include(words[1]) if fetch_include else None
        if included is not None:
            _apply(config, included, model, fetch_include, depth + 1)
    elif words[0] == "initramfs" and len(words) >= 2:
        config.initramfs = words[1]
    elif "=" in line:
        name, value = (part.strip() for part in line.split("=", 1))
        if name == "dtoverlay":
            config.overlays += [value.split(",")[0]] if value else []
        else:
            config.values[name] = value
