/*
 * What a machine's config.txt says about names: which files are its kernel, initramfs and command line.
 *
 * Pure. It knows nothing of a Pi's model, so a line below a filter like [pi4] or [tryboot] is heard ("this
 * name may be a kernel") but does not decide ("the kernel is this one"); only lines that hold for every
 * machine do. Settings that are not about names are skipped.
 */
#pragma once

#include "base/base.h"

enum {
    CONFIG_TXT_MAX_BYTES = 64 * 1024,
    CONFIG_TXT_NAME_SIZE = 128, /* a longer name is as if absent */
    CONFIG_TXT_NAMES_MAX = 32,  /* names heard; later ones are not remembered */
    CONFIG_TXT_PREFIXES_MAX = 8,
    CONFIG_TXT_INITRAMFS_MAX = 4,
    CONFIG_TXT_INCLUDES_MAX = 16, /* in all */
    CONFIG_TXT_INCLUDE_DEPTH_MAX = 4,
};

/* What a file of the boot partition is to the boot. */
enum boot_role {
    BOOT_ROLE_FIRMWARE, /* anything else */
    BOOT_ROLE_KERNEL,
    BOOT_ROLE_INITRAMFS,
    BOOT_ROLE_CMDLINE,
};

struct config_txt_name {
    enum boot_role role;
    char name[CONFIG_TXT_NAME_SIZE];
};

struct config_txt {
    /* What holds for every machine; "" where config.txt is silent. */
    char kernel[CONFIG_TXT_NAME_SIZE];
    char initramfs[CONFIG_TXT_INITRAMFS_MAX][CONFIG_TXT_NAME_SIZE];
    size_t initramfs_count;
    char cmdline[CONFIG_TXT_NAME_SIZE];
    char os_prefix[CONFIG_TXT_NAME_SIZE];
    bool auto_initramfs;
    /* What was heard in any section. */
    struct config_txt_name names[CONFIG_TXT_NAMES_MAX];
    size_t name_count;
    char prefixes[CONFIG_TXT_PREFIXES_MAX][CONFIG_TXT_NAME_SIZE];
    size_t prefix_count;
    unsigned include_count;
};

/* How `include NAME` is answered: the whole file, which the parser frees. NULL if there is none. */
struct config_txt_files {
    char *(*read)(void *arg, const char *name, size_t *length_bytes);
    void *arg;
};

/* `files` may be NULL: then includes are skipped. */
void config_txt_parse(struct config_txt *config, const char *bytes, size_t length_bytes,
                      const struct config_txt_files *files);

/* What `path` is, by the names that were heard, else by the names that firmware uses by itself. */
enum boot_role config_txt_role(const struct config_txt *config, const char *path);

/* What `auto_initramfs=1` loads with `kernel`: kernel8.img -> initramfs8. False if the name has no such form.
 */
bool config_txt_auto_initramfs(const char *kernel, char to[CONFIG_TXT_NAME_SIZE]);
