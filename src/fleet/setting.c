#include "fleet/setting.h"

#include "base/text.h"
#include "eeprom/config.h"
#include "fleet/dhcp_option.h"
#include "fleet/machine.h"

static const char *const source_names[] = {
    [SETTING_FROM_PROGRAM] = "program",
    [SETTING_FROM_DEFAULTS] = "defaults",
    [SETTING_FROM_GROUP] = "group",
    [SETTING_FROM_MACHINE] = "machine",
};

const char *setting_source_name(enum setting_source source)
{
    return source_names[source];
}

bool setting_source_from_name(const char *name, enum setting_source *source)
{
    for (size_t i = 0; i < ARRAY_SIZE(source_names); i++) {
        if (string_equal(source_names[i], name)) {
            *source = (enum setting_source)i;
            return true;
        }
    }
    return false;
}

/* ---- checks ---- */

static bool is_boot(const char *value)
{
    enum machine_boot boot;

    return machine_boot_from_name(value, &boot);
}

/* What may stand in a kernel's command line: one line of printable ASCII, its quotes closed. */
static bool is_words(const char *value)
{
    bool quoted = false;
    size_t length = 0;

    for (; value[length]; length++) {
        if ((uint8_t)value[length] < 0x20 || (uint8_t)value[length] > 0x7e)
            return false;
        quoted ^= value[length] == '"';
    }
    return !quoted && length <= SETTING_WORDS_MAX_BYTES;
}

/* "ubuntu" or "ubuntu:2". */
static bool is_image(const char *value)
{
    char name[NAME_SIZE];
    uint32_t version;

    return image_name_parse(value, name, &version);
}

static bool is_mode(const char *value)
{
    return string_equal(value, "keep") || string_equal(value, "reset");
}

static bool is_count(const char *value)
{
    uint64_t number;

    return parse_u64(value, SETTING_COUNT_MAX, &number);
}

static bool is_count_or_all(const char *value)
{
    return string_equal(value, "all") || is_count(value);
}

static bool is_version(const char *value)
{
    uint64_t number;

    return string_equal(value, "newest") || (parse_u64(value, UINT32_MAX, &number) && number > 0);
}

static bool is_cloud_init(const char *value)
{
    return string_equal(value, "auto") || string_equal(value, "on") || string_equal(value, "off");
}

/* Text of one or more lines, without other control characters. */
static bool is_text(const char *value)
{
    for (; *value; value++) {
        if (((uint8_t)*value < 0x20 && *value != '\n' && *value != '\t') || *value == 0x7f)
            return false;
    }
    return true;
}

/* RFC 1123, with dots between labels. */
static bool is_host_name(const char *value)
{
    size_t length = strlen(value), label = 0;

    if (length > 253 || strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != length)
        return false;
    for (size_t i = 0; i <= length; i++) {
        bool ends = i == length || value[i] == '.';
        if (ends && (label == 0 || label > 63 || value[i - 1] == '-'))
            return false;
        if (!ends && label == 0 && value[i] == '-')
            return false;
        label = ends ? 0 : label + 1;
    }
    return true;
}

static bool is_time_zone(const char *value)
{
    return value[0] != '/' && !strstr(value, "..") &&
           strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") == strlen(value);
}

static bool is_users(const char *value)
{
    return strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-., \t\n") == strlen(value);
}

static bool is_packages(const char *value)
{
    return strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.:=~/, \t\n") == strlen(value);
}

/* A public key, or what a file of them holds; options may stand in front. A private key must not end up here. */
static bool is_ssh_keys(const char *value)
{
    return is_text(value) && !strstr(value, "PRIVATE KEY") &&
           (strstr(value, "ssh-") || strstr(value, "ecdsa-") || strstr(value, "sk-"));
}

/* By its first line cloud-init tells what it is. */
static bool is_user_data(const char *value)
{
    static const char *const starts[] = {"#", "Content-Type: multipart", "MIME-Version: "};

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        if (string_starts_with(value, starts[i]))
            return true;
    }
    return false;
}

/* What fits the fields `sname` and `file` of every DHCP message, their NULs included. */
static bool is_field(const char *value, size_t size)
{
    size_t length = strlen(value);

    for (size_t i = 0; i < length; i++) {
        if ((uint8_t)value[i] < 0x21 || (uint8_t)value[i] > 0x7e)
            return false;
    }
    return length < size;
}

static bool is_boot_server(const char *value)
{
    return is_field(value, 64);
}

static bool is_boot_file(const char *value)
{
    return is_field(value, 128);
}

/* ---- the table ---- */

static const struct row {
    const char *name;
    const char *value_name;
    const char *built_in;
    const char *help;
    bool (*check)(const char *value);
    const char *expected; /* what a value that fails the check is not */
    bool settled_when_added;
    bool is_file;
    int (*explain)(const char *value, struct error *error); /* instead of `check`: knows the reason itself */
} rows[SETTING_COUNT] = {
    [SETTING_BOOT] = {"boot", "disk|folder|san", "disk", "where firmware files come from", is_boot,
                      "a way to boot: disk (firmware files from its own disk), folder (from a folder that it mounts over "
                      "NFS) or san (iPXE starts the disk)", false},
    [SETTING_IMAGE] = {"image", "IMAGE", "", "the image that the disks of new machines begin as", is_image,
                       "an image, like ubuntu or ubuntu:2 (see farboot image list)", true},
    [SETTING_CMDLINE_ADD] = {"cmdline-add", "WORDS", "", "kernel parameters to add", is_words,
                             "kernel parameters: printable ASCII, quotes closed, at most 1024 bytes", false},
    [SETTING_CMDLINE_REMOVE] = {"cmdline-remove", "WORDS", "", "kernel parameters to leave out: KEY or KEY=VALUE",
                                is_words, "kernel parameters: printable ASCII, quotes closed, at most 1024 bytes",
                                false},
    [SETTING_IMAGE_VERSION] = {"image-version", "newest|N", "newest", "the version of its image that it begins at",
                               is_version, "newest, or the number of a version (see farboot image show)", false},
    [SETTING_MODE] = {"mode", "keep|reset", "keep", "what a boot finds: the last one's disk, or a fresh one", is_mode,
                      "keep or reset", false},
    [SETTING_RESET_TO] = {"reset-to", "image|SNAPSHOT", "image", "where a fresh disk begins", is_valid_name,
                          "image, or the name of a snapshot", false},
    [SETTING_KEEP_LAST] = {"keep-last", "N", "0", "of a reset machine: snapshots kept of its last boots", is_count,
                           "a number of snapshots, at most 100", false},
    [SETTING_SNAPSHOT_BEFORE_BOOT] = {"snapshot-before-boot", "N", "0", "snapshots kept from before boots", is_count,
                                      "a number of snapshots, at most 100", false},
    [SETTING_SNAPSHOT_HOURLY] = {"snapshot-hourly", "N", "0", "hourly snapshots kept", is_count,
                                 "a number of snapshots, at most 100", false},
    [SETTING_SNAPSHOT_DAILY] = {"snapshot-daily", "N", "0", "daily snapshots kept", is_count,
                                "a number of snapshots, at most 100", false},
    [SETTING_KEEP_BEFORE_ROLLBACK] = {"keep-before-rollback", "all|N", "all",
                                      "snapshots kept from before rollbacks and resets", is_count_or_all,
                                      "all, or a number of snapshots, at most 100", false},
    [SETTING_CLOUD_INIT] = {"cloud-init", "auto|on|off", "auto", "whether cloud-init is sent to farboot for its data",
                            is_cloud_init, "one of auto (if the image has it), on, off", false},
    [SETTING_HOSTNAME] = {"hostname", "NAME", "", "its host name; by default the machine's name", is_host_name,
                          "a host name: letters, digits and '-', with dots between labels", false},
    [SETTING_TIMEZONE] = {"timezone", "ZONE", "", "its time zone, like Europe/Berlin", is_time_zone,
                          "the name of a time zone, which looks like Europe/Berlin", false},
    [SETTING_USERS] = {"users", "NAMES", "", "accounts to make, which may use sudo; else the image's own", is_users,
                       "account names: small letters, digits, '-', '_' and '.', separated by blanks", false},
    [SETTING_SSH_KEYS] = {"ssh-keys", "FILE", "", "public keys that may log in as these users", is_ssh_keys,
                          "a file of public SSH keys, one a line", false, true},
    [SETTING_PACKAGES] = {"packages", "NAMES", "", "packages to install", is_packages,
                          "names of packages, separated by blanks", false},
    [SETTING_RUN] = {"run", "FILE", "", "commands to run at first boot, one a line", is_text,
                     "a text of one command a line", false, true},
    [SETTING_USER_DATA] = {"user-data", "FILE", "", "cloud-init's user data as it is, instead of all these",
                           is_user_data, "user data of cloud-init, which begins with #cloud-config or its like", false,
                           true},
    [SETTING_EEPROM] = {.name = "eeprom", .value_name = "KEYS", .built_in = EEPROM_CONFIG_DEFAULT,
                        .expected = "a configuration of at most 32768 bytes",
                        .help = "what farboot eeprom push writes into a Raspberry Pi (see farboot eeprom set)",
                        .explain = eeprom_config_check},
    [SETTING_DHCP_OPTION] = {.name = "dhcp-option", .value_name = "OPTIONS", .built_in = "",
                             .expected = "at most 32768 bytes",
                             .help = "DHCP options to send, like 150=ip:192.0.2.1 42=hex:c0000201",
                             .explain = dhcp_extra_check},
    [SETTING_BOOT_SERVER] = {"boot-server", "SERVER", "", "another boot server (siaddr, sname, DHCP option 66)",
                             is_boot_server, "an address or a name: printable ASCII, at most 63 bytes", false},
    [SETTING_BOOT_FILE] = {"boot-file", "FILE", "", "another boot program (file, DHCP option 67)", is_boot_file,
                           "a path or URL: printable ASCII without blanks, at most 127 bytes", false},
};

const char *setting_name(enum setting key)
{
    return rows[key].name;
}

bool setting_from_name(const char *name, enum setting *key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (string_equal(rows[i].name, name)) {
            *key = (enum setting)i;
            return true;
        }
    }
    return false;
}

const char *setting_value_name(enum setting key)
{
    return rows[key].value_name;
}

const char *setting_help(enum setting key)
{
    return rows[key].help;
}

const char *setting_built_in(enum setting key)
{
    return rows[key].built_in;
}

bool setting_is_file(enum setting key)
{
    return rows[key].is_file;
}

bool setting_is_for(enum setting key, enum setting_source source)
{
    return source != SETTING_FROM_MACHINE || !rows[key].settled_when_added;
}

int setting_check(enum setting key, enum setting_source source, const char *value, struct error *error)
{
    char quoted[80];

    if (!setting_is_for(key, source))
        return error_set(error, -EINVAL, "%s: is settled when a machine is added; it can be said for groups and defaults",
                         rows[key].name);
    if (rows[key].explain && strlen(value) <= SETTING_VALUE_MAX_BYTES)
        return rows[key].explain(value, error);
    if (strlen(value) > SETTING_VALUE_MAX_BYTES || !rows[key].check(value))
        return error_set(error, -EINVAL, "%s: \"%s\" is not %s", rows[key].name,
                         quote_into(quoted, sizeof(quoted), value, strlen(value)), rows[key].expected);
    return 0;
}

void settings_begin(struct settings *settings)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        settings->values[i] = rows[i].built_in;
        settings->sources[i] = SETTING_FROM_PROGRAM;
    }
}

const char *machine_setting(const struct machine *machine, enum setting key)
{
    return machine->settings ? machine->settings->values[key] : rows[key].built_in;
}
