/* What is done when little is free: three marks, and what is refused below each (FORMAT.md, 8). */
#include "store/state.h"

#include "base/text.h"

enum { AGAIN_FRACTION = 16 }; /* so much more than the mark is free before it is left, lest it is told every second */

void store_set_marks(struct store *store, const struct store_mark marks[STORE_SPACES])
{
    memcpy(store->marks, marks, sizeof(store->marks));
}

static uint64_t mark_bytes(const struct store_mark *mark, uint64_t total_bytes)
{
    return mark->percent ? total_bytes / 100 * mark->percent : mark->bytes;
}

/* The lowest mark that less is free than. */
static enum store_space judge(const struct store *store, const struct store_fs_stat *stat, enum store_space before)
{
    enum store_space space = STORE_SPACE_FULL;

    for (; space > STORE_SPACE_ENOUGH; space--) {
        uint64_t bytes = mark_bytes(&store->marks[space], stat->total_bytes);
        if (stat->free_bytes < bytes || (before >= space && stat->free_bytes < bytes + bytes / AGAIN_FRACTION))
            break;
    }
    return space;
}

int store_look_at_space(struct store *store, struct store_space_report *report)
{
    enum store_space before = atomic_load(&store->space);
    struct store_fs_stat stat;
    int rc = store->io->statfs(store->io->context, store->folder, &stat);

    if (rc)
        return rc;
    *report = (struct store_space_report){
        .space = judge(store, &stat, before), .free_bytes = stat.free_bytes, .total_bytes = stat.total_bytes};
    for (enum store_space space = STORE_SPACE_LOW; space < STORE_SPACES; space++)
        report->mark_bytes[space] = mark_bytes(&store->marks[space], stat.total_bytes);
    atomic_store(&store->space, report->space);
    return 0;
}

int store_refuse_when_low(struct store *store, struct error *error)
{
    struct store_space_report report;
    char free_text[16], mark_text[16];

    if (store_look_at_space(store, &report) || report.space < STORE_SPACE_REFUSING)
        return 0;
    return error_set(error, -ENOSPC,
                     "only %s are free in the store, and nothing new is made below %s: remove images, machines or "
                     "snapshots, or give it more space",
                     format_size(free_text, sizeof(free_text), report.free_bytes),
                     format_size(mark_text, sizeof(mark_text), report.mark_bytes[STORE_SPACE_REFUSING]));
}

bool store_is_refusing(const struct store *store)
{
    return atomic_load_explicit(&store->space, memory_order_relaxed) >= STORE_SPACE_REFUSING;
}

bool store_is_full(const struct store *store)
{
    return atomic_load_explicit(&store->space, memory_order_relaxed) == STORE_SPACE_FULL;
}
