/* Making durable what was changed (FORMAT.md, F1 F2 F4 F5). */
#include "store/state.h"

/* F1 steps 2 to 4. `*lost` is set when nobody knows any more what the disk holds. */
static int sync_taken(struct volume *volume, struct layer *top, const struct map_units *units, bool *lost)
{
    const struct store_io *io = top->io;
    int rc = io->fdatasync(io->context, top->data_fd);

    *lost = rc != 0;
    if (rc || (units->count == 0 && volume->map_synced))
        return rc;
    rc = layer_write_units(top, units);
    if (rc == -ENOSPC) {
        store_make_room(volume->store);
        rc = layer_write_units(top, units);
    }
    *lost = rc != 0 && rc != -ENOSPC;
    if (rc)
        return rc;
    rc = io->fdatasync(io->context, top->map_fd);
    *lost = rc != 0;
    return rc;
}

/* One round. Called and left with the volume's lock held, which it lets go of for the disk. */
static int run_round(struct volume *volume)
{
    struct layer *top = volume->chain->layers[0];
    struct map_units units = {0};
    bool lost;

    volume->flushing = true;
    uint64_t covered = volume->changes;
    map_take_changed(top->map, top->id, &units);
    pthread_mutex_unlock(&volume->lock);
    int rc = sync_taken(volume, top, &units, &lost);
    if (lost)
        volume_stop(volume, rc, "syncing");
    pthread_mutex_lock(&volume->lock);
    if (rc) {
        map_give_back(top->map, &units);
    } else {
        volume->durable = covered;
        volume->map_synced = true;
    }
    volume->flushing = false;
    pthread_cond_broadcast(&volume->changed);
    map_units_free(&units);
    return lost ? -EIO : rc;
}

int volume_flush(struct volume *volume)
{
    int rc = 0;

    pthread_mutex_lock(&volume->lock);
    uint64_t wanted = volume->changes;
    while (!rc && !volume->stopped && volume->durable < wanted) {
        if (volume->flushing)
            pthread_cond_wait(&volume->changed, &volume->lock);
        else
            rc = run_round(volume);
    }
    if (volume->stopped)
        rc = -EIO;
    pthread_mutex_unlock(&volume->lock);
    return rc;
}
