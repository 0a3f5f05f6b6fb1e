"""Graphics cards that the operating system knows of, whether or not a driver is there."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

VENDORS = {0x10DE: "NVIDIA", 0x1002: "AMD", 0x8086: "Intel"}
"""PCI numbers; virtual and server-management adapters of others are no help for training."""
DISPLAY_CLASS = 0x03
WINDOWS_CARDS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


class Card(msgspec.Struct, frozen=True):
    """One card: maker and a name to show."""

    vendor: str
    name: str


def found_cards() -> list[Card]:
    """Cards of this computer."""
    if sys.platform == "darwin":
        return apple_cards(platform.machine())
    if sys.platform == "win32":
        return list(_windows_cards())
    return pci_cards(Path("/sys/bus/pci/devices"))


def apple_cards(machine: str) -> list[Card]:
    """The graphics part of Apple's own processors."""
    return [Card("Apple", "Apple GPU")] if machine == "arm64" else []


def pci_cards(devices: Path) -> list[Card]:
    """Cards on the PCI bus, as Linux lists them.

    Args:
        devices: /sys/bus/pci/devices: a folder a device, with files vendor, device and class in hexadecimal.
    """
    cards = []
    for folder in sorted(devices.iterdir()) if devices.is_dir() else ():
        try:
            vendor, device, kind = (int((folder / name).read_text(), 16) for name in ("vendor", "device", "class"))
        except (OSError, ValueError):
            continue
        if kind >> 16 == DISPLAY_CLASS and vendor in VENDORS:
            maker = VENDORS[vendor]
            cards.append(Card(maker, f"{maker} graphics ({vendor:04x}:{device:04x})"))
    return cards


def _windows_cards() -> Iterator[Card]:
    """From the registry, where the driver of each display adapter is entered."""
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, WINDOWS_CARDS) as adapters:  # type: ignore[attr-defined,unused-ignore]
        for number in range(32):
            try:
                with winreg.OpenKey(adapters, f"{number:04d}") as adapter:  # type: ignore[attr-defined,unused-ignore]
                    name = str(winreg.QueryValueEx(adapter, "DriverDesc")[0])  # type: ignore[attr-defined,unused-ignore]
            except OSError:
                continue
            maker = next((v for v in VENDORS.values() if v.lower() in name.lower()), "")
            if maker or "radeon" in name.lower():
                yield Card(maker or "AMD", name)
