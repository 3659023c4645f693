/*
 * What a machine's cloud-init is told: the four files of its NoCloud data source, made from the machine's settings.
 *
 * Pure, settings to text. cloud-init fetches them once it finds their address on the kernel's command line; what it does
 * with them, and when, is its own affair.
 */
#pragma once

#include "base/text.h"
#include "fleet/machine.h"

enum { CLOUD_INIT_MAX_BYTES = 128 * 1024 };

#define CLOUD_INIT_FOLDER "cloud-init/"

enum cloud_init_file {
    CLOUD_INIT_META_DATA,
    CLOUD_INIT_USER_DATA,
    CLOUD_INIT_VENDOR_DATA,
    CLOUD_INIT_NETWORK_CONFIG, /* empty, but there: what is missing is asked for ten times */
};

/* "user-data" and its like. */
const char *cloud_init_name(enum cloud_init_file file);
bool cloud_init_from_name(const char *name, enum cloud_init_file *file);

/* Whether the machine's command line should name us: it was said so, or its image has cloud-init. */
bool cloud_init_is_wanted(const struct machine *machine);

/* Appends `ds=nocloud;s=` and the address, with `nocloud-net` for versions before 23.2, which knew no other word for
 * it. `base_url` ends with its slash. */
void cloud_init_append_word(struct text *to, const struct machine *machine, const char *base_url);

/* `boot_folder` is what the machine mounts at /boot/firmware, "192.0.2.1:/srv/tftp/dc-a6-32-01-02-03", or NULL. Its
 * packages and its line in fstab are part of the user data, or of the vendor data where the administrator's own take the
 * place of ours. -E2BIG. */
int cloud_init_write(struct text *to, const struct machine *machine, enum cloud_init_file file, const char *boot_folder);
