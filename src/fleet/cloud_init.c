#include "fleet/cloud_init.h"

#include <stdio.h>

static const char *const names[] = {
    [CLOUD_INIT_META_DATA] = "meta-data",
    [CLOUD_INIT_USER_DATA] = "user-data",
    [CLOUD_INIT_VENDOR_DATA] = "vendor-data",
    [CLOUD_INIT_NETWORK_CONFIG] = "network-config",
};

const char *cloud_init_name(enum cloud_init_file file)
{
    return names[file];
}

bool cloud_init_from_name(const char *name, enum cloud_init_file *file)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (string_equal(names[i], name)) {
            *file = (enum cloud_init_file)i;
            return true;
        }
    }
    return false;
}

/* ---- the kernel's command line ---- */

bool cloud_init_is_wanted(const struct machine *machine)
{
    const char *wanted = machine_setting(machine, SETTING_CLOUD_INIT);

    return string_equal(wanted, "on") || (string_equal(wanted, "auto") && *machine->cloud_init);
}

static bool is_before_23_2(const char *version)
{
    unsigned year, number;

    return sscanf(version, "%u.%u", &year, &number) == 2 && (year < 23 || (year == 23 && number < 2));
}

void cloud_init_append_word(struct text *to, const struct machine *machine, const char *base_url)
{
    text_appendf(to, "ds=%s;s=%s" CLOUD_INIT_FOLDER, is_before_23_2(machine->cloud_init) ? "nocloud-net" : "nocloud",
                 base_url);
}

/* ---- YAML ---- */

/* The code point at `*at`, which moves behind it. Text that came by JSON is UTF-8; anything else is U+FFFD. */
static uint32_t next_character(const char **at)
{
    const uint8_t *p = (const uint8_t *)*at;
    unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 4;
    uint32_t c = *p & (0xffu >> (more ? more + 2 : 1));

    ++*at;
    if (more == 4)
        return 0xfffd;
    for (unsigned i = 1; i <= more; i++, ++*at) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c;
}

/* In double quotes nothing means anything but `"` and `\`; and what YAML might take for the end of a line is written as
 * a number. */
static void append_quoted(struct text *to, const char *value, const char *end)
{
    text_append(to, "\"");
    while (value < end) {
        uint32_t c = next_character(&value);
        if (c == '"' || c == '\\')
            text_appendf(to, "\\%c", (int)c);
        else if (c >= 0x20 && c < 0x7f)
            text_appendf(to, "%c", (int)c);
        else
            text_appendf(to, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
    }
    text_append(to, "\"");
}

static void append_member(struct text *to, const char *key, const char *value)
{
    if (!*value)
        return;
    text_appendf(to, "%s: ", key);
    append_quoted(to, value, value + strlen(value));
    text_append(to, "\n");
}

/* Calls `each` for every item of a value: what stands between `separators`. */
static void for_each_item(const char *value, const char *separators,
                          void (*each)(struct text *to, const char *item, const char *end, void *arg), struct text *to,
                          void *arg)
{
    for (value += strspn(value, separators); *value; value += strspn(value, separators)) {
        size_t length = strcspn(value, separators);
        each(to, value, value + length, arg);
        value += length;
    }
}

static void append_item(struct text *to, const char *item, const char *end, void *indent)
{
    text_appendf(to, "%s  - ", (const char *)indent);
    append_quoted(to, item, end);
    text_append(to, "\n");
}

static const char words[] = " \t\n,", lines[] = "\n";

static bool has_items(const char *value, const char *separators)
{
    return value[strspn(value, separators)] != '\0';
}

static void append_list(struct text *to, const char *indent, const char *key, const char *value, const char *separators)
{
    if (!has_items(value, separators))
        return;
    text_appendf(to, "%s%s:\n", indent, key);
    for_each_item(value, separators, append_item, to, (void *)indent);
}

/* ---- the files ---- */

static const char *host_name(const struct machine *machine)
{
    const char *name = machine_setting(machine, SETTING_HOSTNAME);

    return *name ? name : machine->name;
}

/* cloud-init does what it does once per instance. The volume gets a name of its own when the disk is made, and keeps it
 * through every rollback. */
static void write_meta_data(struct text *to, const struct machine *machine, const char *boot_folder)
{
    append_member(to, "instance-id", machine->volume);
    append_member(to, "local-hostname", host_name(machine));
}

static void append_user(struct text *to, const char *user, const char *end, void *machine)
{
    text_append(to, "  - name: ");
    append_quoted(to, user, end);
    text_append(to, "\n    shell: \"/bin/bash\"\n    sudo: \"ALL=(ALL) NOPASSWD:ALL\"\n    lock_passwd: true\n");
    append_list(to, "    ", "ssh_authorized_keys", machine_setting(machine, SETTING_SSH_KEYS), lines);
}

static void append_users(struct text *to, const struct machine *machine)
{
    const char *users = machine_setting(machine, SETTING_USERS);

    if (!has_items(users, words)) {
        append_list(to, "", "ssh_authorized_keys", machine_setting(machine, SETTING_SSH_KEYS), lines);
        return;
    }
    text_append(to, "users:\n");
    for_each_item(users, words, append_user, to, (void *)machine);
}

/* ---- the boot folder ---- */

/* What a mount at /boot/firmware needs, before the administrator's own packages. */
#define FOLDER_PACKAGES "nfs-common"

/* The image's own line for the place goes: its partition is not what boots. */
static void append_folder_commands(struct text *to, const char *boot_folder)
{
    CLEANUP_FREE char *line = xasprintf("echo '%s /boot/firmware nfs defaults 0 1' >> /etc/fstab", boot_folder);
    const char *const commands[] = {
        "sed -i '\\#[[:space:]]/boot/firmware[[:space:]]#d' /etc/fstab",
        line,
        "mkdir -p /boot/firmware && { umount /boot/firmware || true; } && mount /boot/firmware",
    };

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        append_item(to, commands[i], commands[i] + strlen(commands[i]), "");
}

static void append_packages(struct text *to, const char *packages, const char *boot_folder)
{
    if (!boot_folder && !has_items(packages, words))
        return;
    text_append(to, "package_update: true\npackages:\n");
    if (boot_folder)
        append_item(to, FOLDER_PACKAGES, FOLDER_PACKAGES + strlen(FOLDER_PACKAGES), "");
    for_each_item(packages, words, append_item, to, "");
}

static void append_commands(struct text *to, const char *commands, const char *boot_folder)
{
    if (!boot_folder && !has_items(commands, lines))
        return;
    text_append(to, "runcmd:\n");
    if (boot_folder)
        append_folder_commands(to, boot_folder);
    for_each_item(commands, lines, append_item, to, "");
}

/* ---- user data and vendor data ---- */

static void write_user_data(struct text *to, const struct machine *machine, const char *boot_folder)
{
    const char *whole = machine_setting(machine, SETTING_USER_DATA);

    if (*whole) {
        text_append(to, whole);
        return;
    }
    text_append(to, "#cloud-config\n");
    append_member(to, "hostname", host_name(machine));
    append_member(to, "timezone", machine_setting(machine, SETTING_TIMEZONE));
    append_users(to, machine);
    append_packages(to, machine_setting(machine, SETTING_PACKAGES), boot_folder);
    append_commands(to, machine_setting(machine, SETTING_RUN), boot_folder);
}

static void write_vendor_data(struct text *to, const struct machine *machine, const char *boot_folder)
{
    if (!boot_folder || !*machine_setting(machine, SETTING_USER_DATA))
        return;
    text_append(to, "#cloud-config\n");
    append_packages(to, "", boot_folder);
    append_commands(to, "", boot_folder);
}

int cloud_init_write(struct text *to, const struct machine *machine, enum cloud_init_file file, const char *boot_folder)
{
    static void (*const writers[])(struct text *to, const struct machine *machine, const char *boot_folder) = {
        [CLOUD_INIT_META_DATA] = write_meta_data,
        [CLOUD_INIT_USER_DATA] = write_user_data,
        [CLOUD_INIT_VENDOR_DATA] = write_vendor_data,
        [CLOUD_INIT_NETWORK_CONFIG] = NULL,
    };

    if (writers[file])
        writers[file](to, machine, boot_folder);
    return to->failed ? -E2BIG : 0;
}
