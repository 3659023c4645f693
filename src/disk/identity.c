#include "disk/identity.h"

#include "base/text.h"
#include "disk/ext4_edit.h"
#include "disk/inspect.h"

/* ---- what is removed ---- */

enum { NAMES_MAX = 6 };

/* Names in one folder. "*" at the end or the beginning stands for anything; "!" in front means all but this one. */
struct traces {
    const char *folder;
    const char *names[NAMES_MAX];
};

static const struct traces host_keys[] = {{"/etc/ssh", {"ssh_host_*"}}, {NULL}};

static const struct traces dhcp[] = {
    {"/var/lib/dhcp", {"*.leases", "*.lease"}},
    {"/var/lib/dhclient", {"*.leases", "*.lease"}},
    {"/var/lib/dhcpcd", {"*"}},
    {"/var/lib/dhcpcd5", {"*"}},
    {"/etc", {"dhcpcd.duid", "dhcpcd.secret"}},
    {"/var/lib/NetworkManager", {"*.lease", "secret_key", "timestamps", "seen-bssids"}},
    {NULL},
};

/* As `cloud-init clean` does. */
static const struct traces cloud_init[] = {{"/var/lib/cloud", {"!seed"}}, {NULL}};

static const struct traces seeds[] = {
    {"/var/lib/systemd", {"random-seed", "credential.secret"}},
    {"/var/lib/urandom", {"random-seed"}},
    {NULL},
};

static const struct {
    const char *what;
    const struct traces *traces;
    const char *after; /* what becomes of it */
} removals[] = {
    {"SSH host keys", host_keys, "made again at the next boot"},
    {"DHCP leases and DUID", dhcp, ""},
    {"cloud-init instance", cloud_init, "each machine's first boot is a first boot"},
    {"random seed", seeds, ""},
};

static bool fits(const char *pattern, const char *name)
{
    size_t length = strlen(pattern);

    if (pattern[0] == '!')
        return !string_equal(pattern + 1, name);
    if (pattern[0] == '*')
        return string_ends_with(name, pattern + 1);
    if (pattern[length - 1] == '*')
        return strncmp(name, pattern, length - 1) == 0;
    return string_equal(pattern, name);
}

static bool is_trace(void *context, const char *name)
{
    const struct traces *traces = context;

    for (size_t i = 0; i < NAMES_MAX && traces->names[i]; i++) {
        if (fits(traces->names[i], name))
            return true;
    }
    return false;
}

/* ---- the report ---- */

PRINTF_LIKE(4, 5)
static void note(struct identity_report *report, const char *what, enum identity_state state, const char *format, ...)
{
    CHECK(report->count < IDENTITY_PARTS_MAX);
    struct identity_part *part = &report->parts[report->count++];
    va_list values;

    part->what = what;
    part->state = state;
    va_start(values, format);
    vsnprintf(part->why, sizeof(part->why), format, values);
    va_end(values);
}

/* ---- cleaning ---- */

static int remove_traces(struct ext4_edit *edit, const struct traces *traces, unsigned *removed)
{
    int r = 0;

    for (; r == 0 && traces->folder; traces++) {
        r = ext4_edit_remove_from(edit, traces->folder, is_trace, (void *)traces, removed);
        r = r == -ENOENT ? 0 : r;
    }
    return r;
}

/* Empty, and not missing: the next boot makes a new one and is not taken for the system's very first
 * (machine-id(5)), which would reset which services are enabled. */
static int clean_machine_id(struct ext4_edit *edit, struct identity_report *report)
{
    static const struct traces copy = {"/var/lib/dbus", {"machine-id"}};
    unsigned removed = 0;
    int r = ext4_edit_empty(edit, "/etc/machine-id");

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = ext4_edit_remove_from(edit, copy.folder, is_trace, (void *)&copy, &removed);
    note(report, "machine-id", IDENTITY_CLEANED, "each machine makes its own at its first boot");
    return r == -ENOENT ? 0 : r;
}

/* Debian makes host keys when the package is installed, and never again. */
static bool makes_host_keys(struct ext4_edit *edit)
{
    static const char *const makers[] = {
        "/usr/bin/cloud-init",
        "/usr/lib/systemd/system/sshd-keygen@.service",
        "/usr/lib/systemd/system/sshd-keygen.service",
        "/usr/lib/systemd/system/regenerate_ssh_host_keys.service",
        "/etc/systemd/system/regenerate_ssh_host_keys.service",
        "/lib/systemd/system/regenerate_ssh_host_keys.service",
    };

    for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
        if (ext4_edit_exists(edit, makers[i]))
            return true;
    }
    return false;
}

static int clean_removals(struct ext4_edit *edit, struct identity_report *report)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(removals); i++) {
        unsigned removed = 0;
        if (removals[i].traces == host_keys && !makes_host_keys(edit)) {
            if (ext4_edit_exists(edit, "/etc/ssh/ssh_host_ed25519_key") || ext4_edit_exists(edit, "/etc/ssh/ssh_host_rsa_key"))
                note(report, removals[i].what, IDENTITY_KEPT,
                     "nothing in this system makes new ones at boot: run ssh-keygen -A on each machine");
            continue;
        }
        r = remove_traces(edit, removals[i].traces, &removed);
        if (r == 0 && removed)
            note(report, removals[i].what, IDENTITY_CLEANED, "%s", removals[i].after);
    }
    return r;
}

static void note_what_stays(struct ext4_edit *edit, struct identity_report *report)
{
    if (ext4_edit_exists(edit, "/etc/hostname"))
        note(report, "host name", IDENTITY_KEPT, "nothing says here what each machine is to be called");
    if (ext4_edit_exists(edit, "/etc/iscsi/initiatorname.iscsi"))
        note(report, "iSCSI initiator name", IDENTITY_KEPT, "each machine is given its own when it boots");
}

static int clean(struct ext4_edit *edit, struct identity_report *report)
{
    int r = clean_machine_id(edit, report);

    r = r ?: clean_removals(edit, report);
    if (r == 0)
        note_what_stays(edit, report);
    return r;
}

/* ---- which file system ---- */

static const struct report_partition *find_root(const struct disk_report *found)
{
    for (unsigned i = 0; i < found->partition_count; i++) {
        if (found->partitions[i].is_root)
            return &found->partitions[i];
    }
    return NULL;
}

static int refuse(const char *name, enum ext4_edit_refusal refusal, unsigned partition, struct error *error)
{
    static const char *const reasons[] = {
        [EXT4_EDIT_JOURNAL] = "its journal holds changes that only a mount or e2fsck brings in",
        [EXT4_EDIT_UNCLEAN] = "it was not unmounted cleanly",
        [EXT4_EDIT_QUOTA] = "it keeps quotas",
    };

    return error_set(error, -EBUSY,
                     "%s: its identity cannot be cleaned, partition %u cannot be written to: %s. Shut the machine down "
                     "and capture it then, or use --keep-identity",
                     name, partition, reasons[refusal]);
}

static int clean_partition(struct volume *volume, const char *name, const struct report_partition *root,
                           struct identity_report *report, struct error *error)
{
    enum ext4_edit_refusal refusal;
    struct ext4_edit *edit;
    int r = ext4_edit_open(volume, root->partition.start_bytes, root->partition.length_bytes, &refusal, &edit);

    if (r == 0 && !edit)
        return refuse(name, refusal, root->partition.number, error);
    if (r == 0)
        r = clean(edit, report);
    int closed = ext4_edit_close(edit);
    r = r ?: closed;
    return r ? error_set_errno(error, r, "%s: partition %u cannot be cleaned (use --keep-identity to keep all)", name,
                               root->partition.number)
             : 0;
}

int identity_clean(struct volume *volume, const char *name, struct identity_report *report, struct error *error)
{
    CLEANUP_FREE struct disk_report *found = xcalloc(1, sizeof(*found));
    const struct disk_source disk = disk_source_over_volume(volume);
    int r = inspect_disk(&disk, found);

    *report = (struct identity_report){0};
    if (r < 0)
        return error_set_errno(error, r, "%s: its disk cannot be looked at", name);
    const struct report_partition *root = find_root(found);
    if (!root)
        return error_set(error, -EOPNOTSUPP,
                         "%s: no system was found on its disk to clean the identity of: use --keep-identity", name);
    if (!string_starts_with(root->filesystem.type, "ext"))
        return error_set(error, -EOPNOTSUPP,
                         "%s: its root file system is %s, in which nothing can be cleaned: use --keep-identity", name,
                         root->filesystem.type);
    return clean_partition(volume, name, root, report, error);
}
