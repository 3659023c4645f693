"""Folders include only downwards: reads every #include of src/ and names the first arrow that points up."""

import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"

# Each folder may include itself and whatever stands on an earlier line.
ORDER = [
    {"base"},
    {"loop"},
    {"store", "folder"},
    {"disk"},
    {"eeprom"},
    {"fleet"},
    {"catalog"},
    {"bootfiles"},
    {"scsi", "rpc"},
    {"dhcp", "tftp", "http", "iscsi", "nfs", "lan"},
    {"api"},
    {"daemon"},
]
RANK = {folder: rank for rank, folders in enumerate(ORDER) for folder in folders}

# The command line tool speaks to the daemon over its socket and knows nothing else of it but the words of its settings,
# so that --help needs no daemon, and how a card for a board's bootloader is made, since that file is the user's. The command table is entered from main, so the daemon may include ctl.
ONLY = {"ctl": {"base", "eeprom", "fleet", "ctl"}}
ALSO = {"daemon": {"ctl"}, "dhcp": {"lan"}}


def includes():
    for path in sorted(SOURCE.rglob("*.[ch]")):
        folder = path.relative_to(SOURCE).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/[^"]+"', line)
            if match:
                yield folder, match.group(1), f"{path.relative_to(SOURCE.parent)}:{number}"


def allowed(folder, included):
    if folder in ONLY:
        return included in ONLY[folder]
    if included == folder or included in ALSO.get(folder, ()):
        return True
    return included in RANK and RANK[included] < RANK[folder]


def test_every_folder_has_its_place():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert folders <= set(RANK) | set(ONLY)


def test_includes_point_downwards():
    wrong = [f"{where}: {folder} includes {name}" for folder, name, where in includes() if not allowed(folder, name)]
    assert not wrong, "\n".join(wrong)


def test_includes_name_their_folder():
    """`#include "x.h"` would hide where a thing comes from."""
    bare = []
    for path in sorted(SOURCE.rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r'\s*#\s*include\s+"[^"/]+"', line):
                bare.append(f"{path.relative_to(SOURCE.parent)}:{number}: {line.strip()}")
    assert not bare, "\n".join(bare)


def test_engines_do_not_touch_the_world():
    """Codecs and engines see no socket, clock or log: they are what is tested, fuzzed and replayed without them."""
    forbidden = re.compile(r'#\s*include\s+["<](sys/socket\.h|base/log\.h|base/clock\.h|loop/[a-z]+\.h|event2/.*)[">]')
    pure = [SOURCE / "fleet"]
    pure_files = ["dhcp/message", "dhcp/options", "dhcp/server", "dhcp/proxy", "tftp/packet", "tftp/transfer", "http/request", "http/answer", "iscsi/pdu",
                  "iscsi/text", "iscsi/login", "iscsi/session*", "iscsi/task", "rpc/*", "nfs/nfs3*", "nfs/nfs4*", "nfs/mount3",
                  "nfs/state*", "nfs/status", "nfs/view", "nfs/permission", "nfs/replies", "nfs/server", "nfs/server_parts"]
    files = [path for folder in pure for path in folder.glob("*.[ch]")]
    files += [path for stem in pure_files for path in (SOURCE / stem).parent.glob((SOURCE / stem).name + ".[ch]")]
    assert files
    wrong = [f"{path}: {line}" for path in files for line in path.read_text().splitlines() if forbidden.match(line)]
    assert not wrong, "\n".join(wrong)
