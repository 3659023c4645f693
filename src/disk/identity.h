/*
 * What makes an installed system one machine and no other, taken out of its disk: machine-id, host keys, DHCP's names,
 * cloud-init's memory, random seeds.
 *
 * Works on ext2, ext3 and ext4 that were left clean (disk/ext4_edit.h). It removes only what the system makes again by
 * itself at its next boot; the rest is kept, and the report says why. Blocks.
 */
#pragma once

#include "base/error.h"
#include "store/volume.h"

enum { IDENTITY_PARTS_MAX = 16, IDENTITY_WHY_SIZE = 160 };

enum identity_state { IDENTITY_CLEANED, IDENTITY_KEPT };

struct identity_part {
    const char *what; /* "SSH host keys" */
    enum identity_state state;
    char why[IDENTITY_WHY_SIZE]; /* of what was kept, or what became of it */
};

struct identity_report {
    unsigned count;
    struct identity_part parts[IDENTITY_PARTS_MAX];
};

/* Cleans the system on the disk in `volume`. -EBUSY with the sentence and the next step when its file system cannot be
 * edited as it is; -EOPNOTSUPP when none of its file systems can be. What any other error leaves behind is not to be
 * used: it works on a clone. */
int identity_clean(struct volume *volume, const char *name, struct identity_report *report, struct error *error);
