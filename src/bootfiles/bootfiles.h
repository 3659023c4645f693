/*
 * Opens a boot file of a machine: a file of the boot partition inside its own volume, read live, or of its
 * boot folder; a text
 * that farboot writes in its place (the rewritten command line, the script of a boot loader); or the boot
 * program of its firmware.
 *
 * It decides neither who may have a file nor which one was meant (fleet/boot_plan.h). It never writes to a
 * volume. Nothing is kept between two calls: a file that was opened keeps what it found, the next one sees
 * what the machine has written since.
 */
#pragma once

#include "base/error.h"
#include "bootfiles/boot_folder.h"
#include "bootfiles/config_txt.h"
#include "fleet/boot_plan.h"
#include "fleet/cloud_init.h"
#include "fleet/event.h"
#include "store/store.h"

#include <sys/types.h>

struct bootfiles;
struct rollout;
struct bootfile;

struct bootfiles_options {
    struct store *store;
    struct boot_folders *folders; /* NULL: every machine boots from its disk */
    const char *iqn_prefix;
    uint16_t iscsi_port;
    uint16_t http_port;         /* 0: there is no HTTP, and so no data for cloud-init */
    const char *boot_path;      /* where machines find their boot folders over NFS: "/srv/tftp" */
    const char *program_folder; /* where iPXE's files lie: "/usr/lib/ipxe" */
    struct rollout *rollout;    /* of bootloaders; outlives this. NULL: there is none */
};

/* `options` is copied; the store outlives it. */
struct bootfiles *bootfiles_new(const struct bootfiles_options *options);
void bootfiles_free(struct bootfiles *bootfiles);

struct bootfile_request {
    const struct machine *machine;
    enum boot_plan_kind kind; /* any but NOT_FOUND and REFUSED */
    const char *path;         /* from the boot plan */
    uint32_t server;          /* the address at which the machine reaches us, for what is generated */
    const char *base_url;     /* where the machine finds the other files: "tftp://192.0.2.1/" */
};

/* Appends a file of the machine's cloud-init data, as `server` tells it. -E2BIG. */
int bootfiles_cloud_init(const struct bootfiles *bootfiles, const struct machine *machine, uint32_t server,
                         enum cloud_init_file file, struct text *to);

/* May block, so not on a loop; any other thread. The caller closes.
 * -ENOENT: no such file, which is normal. Anything else leaves a sentence in `error`. */
int bootfiles_open(struct bootfiles *bootfiles, const struct bootfile_request *request,
                   struct bootfile **file, struct error *error);
void bootfile_close(struct bootfile *file);
DEFINE_CLEANUP(bootfile, struct bootfile *, bootfile_close)

uint64_t bootfile_size_bytes(const struct bootfile *file);
enum boot_role bootfile_role(const struct bootfile *file);
/* What its sending says of the boot; `file` may be NULL when there is none. */
enum stage bootfile_stage(const struct bootfile *file, enum boot_plan_kind kind);
/* Written by farboot rather than read from the disk. */
bool bootfile_is_generated(const struct bootfile *file);

/* Gives the number of bytes read, less than asked for only at the file's end; or a negative errno (-EAGAIN:
 * with VOLUME_NO_WAIT, not in memory). Any thread. */
ssize_t bootfile_read(const struct bootfile *file, void *buffer, size_t length_bytes, uint64_t offset,
                      enum volume_wait wait);
