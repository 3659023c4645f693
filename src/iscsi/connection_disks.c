/*
 * The disks of a connection: opened at its login, and following what its machine gets and loses while it is
 * logged in.
 */
#include "iscsi/connection_parts.h"

#include "base/log.h"

/* ---- open and closed: on a worker ---- */

static void tell_not_opened(struct connection *c, unsigned lun, const char *volume, int code)
{
    const struct machine_disk *disk = machine_disk_by_lun(&c->machine, lun);

    log_error("%s: cannot open its volume %s: %s", c->machine.name, volume, strerror(-code));
    if (disk)
        event_post(&c->loop->service->options.events, &c->machine, NULL, STAGE_NONE, EVENT_WARNING,
                   "disk.missing", "cannot see its disk %s, LUN %u: %s", disk->name, lun, strerror(-code));
}

static int open_disk(struct connection *c, unsigned lun)
{
    bool read_only;
    const char *volume = machine_volume_at_lun(&c->machine, lun, &read_only);

    if (!volume || c->disks[lun])
        return 0;
    int r = service_open_disk(c->loop->service, c->machine.id, volume, read_only, &c->disks[lun]);
    if (r < 0)
        tell_not_opened(c, lun, volume, r);
    return r;
}

/* A machine boots without the disks that it does not boot from. */
int connection_open_disks(struct connection *c)
{
    int r = open_disk(c, 0);

    for (unsigned lun = 1; r == 0 && lun < SCSI_LUNS_MAX; lun++)
        open_disk(c, lun);
    return r;
}

static void close_disk(struct connection *c, unsigned lun)
{
    if (c->disks[lun])
        service_close_disk(c->loop->service, TAKE_PTR(c->disks[lun]));
}

/* Who finds that the first disk can be taken away finds the others closed, too. */
void connection_close_disks(struct connection *c)
{
    for (unsigned lun = SCSI_LUNS_MAX; lun-- > 0;)
        close_disk(c, lun);
}

/* ---- attached ---- */

static bool is_to_attach(const struct connection *c, unsigned lun)
{
    return c->disks[lun] && !c->session->nexus.paths[lun].disk;
}

int connection_attach_disks(struct connection *c)
{
    int r = 0;

    for (unsigned lun = 0; r == 0 && lun < SCSI_LUNS_MAX; lun++) {
        if (is_to_attach(c, lun))
            r = scsi_nexus_attach(&c->session->nexus, lun, c->disks[lun]->disk);
    }
    return r;
}

/* ---- renewed ---- */

static bool is_wanted(const struct connection *c, unsigned lun)
{
    bool read_only;
    const char *volume = machine_volume_at_lun(&c->machine, lun, &read_only);

    return volume && string_equal(volume, c->disks[lun]->volume);
}

static void set_read_only(struct connection *c, unsigned lun)
{
    bool read_only;

    machine_volume_at_lun(&c->machine, lun, &read_only);
    scsi_disk_set_read_only(c->disks[lun]->disk, read_only);
}

/* What the machine has lost is seen by no new command. */
static void hide_unwanted(struct connection *c)
{
    struct scsi_nexus *nexus = &c->session->nexus;
    bool changed = false;

    for (unsigned lun = 1; lun < SCSI_LUNS_MAX; lun++) {
        if (!scsi_nexus_path(nexus, (int)lun))
            continue;
        if (is_wanted(c, lun)) {
            set_read_only(c, lun);
            continue;
        }
        scsi_nexus_hide(nexus, lun);
        changed = true;
    }
    if (changed)
        scsi_nexus_luns_changed(nexus);
}

/* False while commands use one of the hidden disks. */
static bool detach_hidden(struct connection *c)
{
    bool all = true;

    for (unsigned lun = 1; lun < SCSI_LUNS_MAX; lun++) {
        if (!c->session->nexus.paths[lun].hidden)
            continue;
        if (session_uses_lun(c->session, lun))
            all = false;
        else
            scsi_nexus_detach(&c->session->nexus, lun);
    }
    return all;
}

static void exchange_disks(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    for (unsigned lun = SCSI_LUNS_MAX; lun-- > 1;) {
        if (c->disks[lun] && !is_wanted(c, lun))
            close_disk(c, lun);
        open_disk(c, lun);
    }
}

static void show_new_disks(struct connection *c)
{
    bool changed = false;

    for (unsigned lun = 1; lun < SCSI_LUNS_MAX; lun++)
        changed |= is_to_attach(c, lun);
    if (changed)
        scsi_nexus_luns_changed(&c->session->nexus);
    if (connection_attach_disks(c) < 0)
        log_error("%s: too many sessions use its disks: a new one stays unseen", c->machine.name);
}

static void disks_exchanged(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    c->working = false;
    if (c->phase == PHASE_GONE) {
        connection_go_on_ending(c);
        return;
    }
    show_new_disks(c);
    connection_go_on_renewing(c);
}

static bool has_to_exchange(const struct connection *c)
{
    bool read_only;

    for (unsigned lun = 1; lun < SCSI_LUNS_MAX; lun++) {
        if (c->disks[lun] ? !is_wanted(c, lun) : machine_volume_at_lun(&c->machine, lun, &read_only) != NULL)
            return true;
    }
    return false;
}

/* False when its machine is no more. */
static bool read_machine(struct connection *c)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(c->loop->service->options.catalog);
    const struct machine *machine = catalog_machine_by_id(snapshot, c->machine.id);

    if (machine)
        c->machine = machine_copy(machine);
    return machine != NULL;
}

void connection_go_on_renewing(struct connection *c)
{
    if (!c->renewing || c->working || c->phase != PHASE_FULL || !read_machine(c))
        return;
    hide_unwanted(c);
    if (!detach_hidden(c))
        return;
    c->renewing = false;
    if (!has_to_exchange(c))
        return;
    c->work = (struct work){.run = exchange_disks, .done = disks_exchanged, .home = c->loop->loop};
    c->working = workers_submit(c->loop->service->options.workers, &c->work);
    c->renewing = !c->working; /* else tried again with the next command */
}

void connection_renew_disks(struct connection *c)
{
    if (!c->machine.id)
        return;
    c->renewing = true;
    connection_go_on_renewing(c);
}
