"""A Raspberry Pi's network boot loader as it is seen from the wire, and nothing of its inside.

wire      frames, ARP, IPv4 and UDP on one packet socket
dhcp      the bytes a Pi sends, and which answers it takes
tftp      one file transfer, with a Pi's habits and time limits
config    config.txt: which kernel, which initramfs, which command line
firmware  the order in which the boot stages ask for files

It refuses what a real Pi refuses, and says why.
"""


class Refused(Exception):
    """What a real Pi would not accept; the text is the reason."""
