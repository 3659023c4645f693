"""The boot stages of a Pi and the order in which they ask for files.

Each stage is a list of steps in the order of public captures; a step says what a missing file means.
"""

from . import Refused, config, dhcp, tftp

PI4_EEPROM_BLKSIZE = 1468
PI4_FIRST_PORT = 40134
PI3_FIRST_PORT = 49152
# TFTP_FILE_TIMEOUT is a setting of the EEPROM; a Pi 3 is only kept from waiting for ever.
PI3_FILE_LIMIT_SECONDS = 300.0
PROBED_HARDWARE = ("rpi-ft5406", "rpi-backlight", "rpi-poe")


class Board:
    def __init__(self, model, mac, serial, revision=0xC03111, prefix="serial"):
        self.model = model
        self.mac = mac
        self.serial = serial
        self.revision = revision
        self.prefix = prefix

    def prefix_path(self):
        return {"serial": f"{self.serial:08x}/", "mac": self.mac.hex("-") + "/", "none": ""}.get(self.prefix, self.prefix)


class Boot:
    """One power-on. `note(event, **details)` hears of every step; `files` collects what was fetched."""

    def __init__(self, wire, board, note, firmware_blksize=PI4_EEPROM_BLKSIZE, dhcp_limit_seconds=45,
                 file_limit_seconds=tftp.FILE_LIMIT_SECONDS):
        self._wire = wire
        self._board = board
        self._note = note
        self._firmware_blksize = firmware_blksize
        self._dhcp_limit_seconds = dhcp_limit_seconds
        self._file_limit_seconds = file_limit_seconds
        self._prefix = board.prefix_path()
        self._client = None
        self._config_text = None
        self.lease = None
        self.files = {}
        self.config = None

    def run(self):
        if self._board.model == "pi3":
            self._pi3_rom()
            self._pi3_bootcode()
            self._pi3_firmware()
        else:
            self._pi4_eeprom()
            self._pi4_firmware()

    # --- what every stage does ---

    def _dhcp(self, profile):
        before = self.lease
        self.lease = dhcp.exchange(self._wire, profile, self._note)
        if before and before.address != self.lease.address:
            raise Refused("the second DHCP exchange gave another address")
        self._note("lease", **self.lease.describe())

    def _ask_from(self, first_port, blksize, with_tsize=True):
        hop = self.lease.hop()
        mac = self._wire.neighbours.get(hop) if self._client else None
        mac = mac or self._wire.resolve(hop)
        limit = self._file_limit_seconds if blksize else PI3_FILE_LIMIT_SECONDS
        self._client = tftp.Client(self._wire, self.lease.tftp_server, mac, first_port, blksize, with_tsize, limit)

    def _log(self, result, kind):
        self._note("file", step=kind, **result.describe())
        return result

    def _probe(self, name):
        return self._log(self._client.probe(self._prefix + name), "probe").status == "probed"

    def _get(self, name):
        """The file's bytes, None if there is none. A silent server costs time and counts as a miss, as on a Pi."""
        result = self._log(self._client.get(self._prefix + name), "get")
        if result.status != "data":
            return None
        self.files[name] = result.data
        return result.data

    def _need(self, name, why):
        data = self._get(name)
        if data is None:
            raise Refused(f"{self._prefix}{name} is missing: {why}")
        return data

    def _ask_in_vain(self, *names):
        for name in names:
            self._get(name)

    def _read_config(self):
        text = self._need("config.txt", "nothing says which kernel to load").decode("utf-8", "replace")
        if self._config_text not in (None, text):
            raise Refused("config.txt changed between two stages of one boot")
        self._config_text = text
        default = "bcm2711-rpi-4-b.dtb" if self._board.model == "pi4" else "bcm2710-rpi-3-b.dtb"
        self.config = config.parse(text, self._board.model, default, self._include)

    def _include(self, name):
        data = self._get(name)
        return None if data is None else data.decode("utf-8", "replace")

    def _choose_prefix(self, *names):
        if not self._prefix:
            return
        for name in names:
            if self._probe(name):
                return
        self._note("prefix-dropped", prefix=self._prefix)
        self._prefix = ""

    def _device_tree_and_overlays(self, hardware):
        self._get(self.config.device_tree)
        overlays = self.config.values["overlay_prefix"]
        self._ask_in_vain(overlays + "overlay_map.dtb")
        self._ask_in_vain(*(f"{overlays}{name}.dtbo" for name in hardware + tuple(self.config.overlays)))

    def _command_line(self):
        self._need(self.config.cmdline, "the kernel would have no command line")

    # --- Pi 4: EEPROM, then start4.elf ---

    def _pi4_eeprom(self):
        board = self._board
        self._dhcp(dhcp.Profile(dhcp.PARAMETERS_PI4, dhcp.uuid_pi4(board.mac, board.serial, board.revision),
                                sends_request=True, constant_xid=False, retry_seconds=4,
                                limit_seconds=self._dhcp_limit_seconds))
        self._ask_from(PI4_FIRST_PORT, PI4_EEPROM_BLKSIZE)
        self._choose_prefix("start4.elf", "start.elf")
        self._read_config()
        self._ask_in_vain("vl805.sig", "pieeprom.sig", "recover4.elf", "recovery.elf")
        self._need("start4.elf", "the firmware cannot start (LED: 4 short flashes)")
        self._need("fixup4.dat", "the firmware cannot start")
        self._note("stage", name="firmware")

    def _pi4_firmware(self):
        self._ask_from(PI4_FIRST_PORT + 1000, self._firmware_blksize)
        self._ask_in_vain("recovery.elf")
        self._read_config()
        self._ask_in_vain("dt-blob.bin", "recovery.elf")
        self._read_config()
        self._ask_in_vain("bootcfg.txt")
        if self.config.initramfs_file:
            self._need(self.config.initramfs_file, "config.txt names it as initramfs")
            self._note("stage", name="initramfs")
        self._device_tree_and_overlays(PROBED_HARDWARE)
        self._read_config()
        self._command_line()
        if not self._probe(self.config.kernel):
            raise Refused(f"{self.config.kernel} is missing: no kernel (LED: 7 short flashes)")
        self._ask_in_vain("armstub8-gic.bin")
        self._need(self.config.kernel, "no kernel (LED: 7 short flashes)")
        self._note("stage", name="kernel")

    # --- Pi 3: mask ROM, bootcode.bin, start.elf ---

    def _pi3_rom(self):
        self._dhcp(dhcp.Profile(dhcp.PARAMETERS_PI3_ROM, dhcp.UUID_PI3_ROM, sends_request=False, constant_xid=True,
                                retry_seconds=5, limit_seconds=25, spaces_needed=True))
        prefix, self._prefix = self._prefix, ""
        self._ask_from(PI3_FIRST_PORT, blksize=None, with_tsize=False)
        self._need("bootcode.bin", "the mask ROM loads nothing else")
        result = self._log(self._client.get("bootsig.bin"), "get")
        if result.status == "silent":
            raise Refused("bootsig.bin: no answer, and the mask ROM waits for one")
        self._prefix = prefix

    def _pi3_bootcode(self):
        self._dhcp(dhcp.Profile(dhcp.PARAMETERS_PI3, dhcp.uuid_pi3(self._board.serial), sends_request=False,
                                constant_xid=True, retry_seconds=5, limit_seconds=25))
        self._ask_from(PI3_FIRST_PORT + 1, blksize=None)
        self._choose_prefix("start.elf")
        self._need("start.elf", "the firmware cannot start (LED: 4 short flashes)")
        self._ask_in_vain("autoboot.txt")
        self._read_config()
        self._ask_in_vain("recovery.elf")
        self._need("start.elf", "the firmware cannot start")
        self._need("fixup.dat", "the firmware cannot start")
        self._note("stage", name="firmware")

    def _pi3_firmware(self):
        self._ask_from(PI3_FIRST_PORT + 1000, blksize=None)
        self._ask_in_vain("recovery.elf")
        self._read_config()
        self._ask_in_vain("dt-blob.bin", "recovery.elf")
        self._read_config()
        self._ask_in_vain("bootcfg.txt")
        if self.config.initramfs_file:
            self._need(self.config.initramfs_file, "config.txt names it as initramfs")
            self._note("stage", name="initramfs")
        self._device_tree_and_overlays(())
        self._command_line()
        self._probe(self.config.kernel)
        self._ask_in_vain("armstub8-32.bin")
        self._need(self.config.kernel, "no kernel (LED: 7 short flashes)")
        self._note("stage", name="kernel")
