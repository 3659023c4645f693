"""What is asked of every machine that is up, on its own console."""

DATA = "/root/kept"


def write_data(machine, text):
    machine.console.command(f"echo '{text}' > {DATA} && dd if=/dev/urandom of={DATA}.bulk bs=1M count=8 status=none "
                            f"&& sha256sum {DATA}.bulk > {DATA}.sum && sync")


def data_is_there(machine, text):
    assert machine.console.command(f"cat {DATA}").strip() == text
    machine.console.command(f"sha256sum -c {DATA}.sum")


def disk_is_healthy(machine):
    errors = machine.console.command("dmesg | grep -E 'EXT4-fs error|I/O error|Medium Error|reset failed'", check=False)
    assert errors.strip() == "", errors


def disk_promises_durability(machine):
    """Without these the kernel would either never flush or flush at every write."""
    said = machine.console.command("dmesg | grep 'Write cache'")
    assert "Write cache: enabled" in said and "supports DPO and FUA" in said, said


def boot_partition_is_mounted(machine):
    assert machine.console.command("findmnt -no FSTYPE,LABEL /boot/firmware").split() == ["vfat", "system-boot"]
