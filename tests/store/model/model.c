/*
 * The rules of src/store/FORMAT.md as a model: a volume of a few blocks, layers that lose what was not
 * synced, a power cut between any two steps. It uses no code of the store: it asks whether the rules are
 * right, not whether the store keeps them.
 *
 * Each `step` may cut the power; then every pending sector is kept or lost at random, and what is left is
 * held against the oracle: a sector is what the last completed flush made of it, or something written later;
 * a snapshot is what it was. While the power is on, a sector is what was written last. Now and then only the
 * process dies, and the page cache lives on. Then every rule is broken in turn, and has to be missed: a test
 * that cannot find a broken rule proves nothing.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 4, SECTORS = 3, LAYERS = 32, SNAPSHOTS = 6, OPERATIONS = 40, LIVES = 4, HISTORY = 512 };
enum { SEEDS = 30000, MUTANT_SEEDS = 3000, STEPS_UP_TO_CUT = 250 };

enum rule {
    NONE,
    W1_ONLY_NEW_SECTORS,
    W2_NO_PUNCH,
    W3_NO_CLAIM,
    F1_MAP_FIRST,
    F1_BITS_TAKEN_LATE,
    F1_BIT_BEFORE_DATA,
    F1_MAP_UNSYNCED,
    F2_TWO_ROUNDS,
    F3_DISCARD_CLEARS_BIT,
    F4_SYNC_AGAIN,
    F5_OPENED_IS_CLEAN,
    S1_WRITE_AFTER_FREEZE,
    S2_COMMIT_BEFORE_FILES,
    S3_NO_LENGTH,
    S4_NO_FLUSH,
    S5_HELD_ONE_BY_ONE,
    S5_TWO_COMMITS,
    M1_LEFT_OUT_FIRST,
    M2_PUNCHED_UNSYNCED,
    M2_PUNCHED_UNDER_READER,
    RULES,
};

static const char *const broken_names[RULES] = {
    [NONE] = "none",
    [W1_ONLY_NEW_SECTORS] = "W1: copy-up writes only the new sectors",
    [W2_NO_PUNCH] = "W2: discarding a block that is not owned sets its bit without a punch",
    [W3_NO_CLAIM] = "W3: two writers copy up one block at once",
    [F1_MAP_FIRST] = "F1: the map is synced before the data",
    [F1_BITS_TAKEN_LATE] = "F1: bits are taken after the data sync",
    [F1_BIT_BEFORE_DATA] = "F1: a bit is set before its block is written",
    [F1_MAP_UNSYNCED] = "F1: the answer does not wait for the map's sync",
    [F2_TWO_ROUNDS] = "F2: a second round begins while one runs",
    [F3_DISCARD_CLEARS_BIT] = "F3: discard takes the bit back",
    [F4_SYNC_AGAIN] = "F4: after a failed sync the next one is believed",
    [F5_OPENED_IS_CLEAN] = "F5: after a killed process the first flush syncs nothing",
    [S1_WRITE_AFTER_FREEZE] = "S1: a write lands in a layer after it was frozen",
    [S2_COMMIT_BEFORE_FILES] = "S2: the commit names files that are not durable",
    [S3_NO_LENGTH] = "S3: what lies beyond a layer's end is read",
    [S4_NO_FLUSH] = "S4: a snapshot commits without a flush",
    [S5_HELD_ONE_BY_ONE] = "S5: the second volume of a group is held after the first was frozen",
    [S5_TWO_COMMITS] = "S5: volumes of a group change in a commit each",
    [M1_LEFT_OUT_FIRST] = "M1: a merge commits before its copies are durable",
    [M2_PUNCHED_UNSYNCED] = "M2: a block is punched before its copy is durable",
    [M2_PUNCHED_UNDER_READER] = "M2: a block is punched while somebody who found it there reads",
};

enum ending { CUT, FAILED_SYNC };

typedef uint32_t value;

/* Something on disk: as a cut leaves it at worst, and as the page cache has it. `clean`: a sync failed, and
 * the kernel will not write it any more. */
struct cell {
    value durable, cached;
    bool clean;
};

struct layer {
    struct cell data[BLOCKS][SECTORS];
    struct cell bits[BLOCKS];
    bool owned[BLOCKS], changed[BLOCKS]; /* in memory: the bit, and whether it has to be written */
    struct cell exists;
    int parent, blocks;
};

struct written {
    value v;
    unsigned time;
};

/* Two volumes of one machine, as far as S5 speaks of them: a number that is always written to the first one before it
 * is written to the second, and how many changes of the tree each has seen. */
struct pair {
    unsigned numbers[2];
    unsigned changes[2];
};

struct model {
    enum rule broken;
    uint64_t random;
    struct layer layers[LAYERS];
    int layer_count, top;
    struct {
        int layer;
        value view[BLOCKS][SECTORS];
        struct pair pair;
    } snapshots[SNAPSHOTS];
    int snapshot_count;
    struct pair pair;

    struct written history[BLOCKS][SECTORS][HISTORY];
    int written_count[BLOCKS][SECTORS];
    unsigned flushed[BLOCKS][SECTORS]; /* what was written at that time, or later, may be found */
    unsigned now;
    value next_value;

    struct {
        int layer, block; /* where a reader found what it wants; layer -1: there is none */
        value seen[SECTORS];
    } reader;
    bool misread;

    int claimed; /* the block that a write is busy with, or -1 */
    int nested;  /* inside an operation that another one interrupts */
    bool in_flush;
    bool just_opened; /* no round has run yet */
    bool touched;     /* something was changed since */
    unsigned long steps, cut_at, cuts;
    enum ending ending;
    jmp_buf power;
};

static unsigned pick(struct model *m, unsigned limit)
{
    uint64_t z = m->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (unsigned)((z ^ z >> 31) % limit);
}

/* ---- the disk ---- */

static void end_life(struct model *m, enum ending ending)
{
    m->ending = ending;
    longjmp(m->power, 1);
}

static void step(struct model *m)
{
    if (++m->steps >= m->cut_at)
        end_life(m, CUT);
}

static void put(struct model *m, struct cell *cell, value v)
{
    step(m);
    *cell = (struct cell){.durable = cell->durable, .cached = v};
}

/* Calls `fn` for everything of a layer that is data, or map. */
static void each_cell(struct model *m, struct layer *l, bool map,
                      void (*fn)(struct model *m, struct cell *cell))
{
    for (int b = 0; b < BLOCKS; b++)
        for (int s = 0; s < (map ? 1 : SECTORS); s++)
            fn(m, map ? &l->bits[b] : &l->data[b][s]);
}

static void make_durable(struct model *m, struct cell *cell)
{
    if (!cell->clean)
        cell->durable = cell->cached;
}

static void fail_to_sync(struct model *m, struct cell *cell)
{
    cell->clean = cell->cached != cell->durable;
}

static void lose_or_keep(struct model *m, struct cell *cell)
{
    if (pick(m, 2))
        make_durable(m, cell);
    *cell = (struct cell){.durable = cell->durable, .cached = cell->durable};
}

/* F4: a sync that failed stops the volume, which is as good as a cut. */
static void sync_file(struct model *m, struct layer *l, bool map)
{
    step(m);
    if (pick(m, 64) == 0) {
        each_cell(m, l, map, fail_to_sync);
        if (m->broken != F4_SYNC_AGAIN)
            end_life(m, FAILED_SYNC);
    }
    each_cell(m, l, map, make_durable);
}

static void lose_power(struct model *m)
{
    for (int i = 0; i < m->layer_count; i++) {
        struct layer *l = &m->layers[i];
        each_cell(m, l, false, lose_or_keep);
        each_cell(m, l, true, lose_or_keep);
        lose_or_keep(m, &l->exists);
    }
    m->cuts++;
}

/* A new process: it knows what can be read. */
static void open_again(struct model *m)
{
    for (int i = 0; i < m->layer_count; i++)
        for (int b = 0; b < BLOCKS; b++) {
            m->layers[i].owned[b] = m->layers[i].bits[b].cached;
            m->layers[i].changed[b] = false;
        }
    m->claimed = -1;
    m->reader.layer = -1;
    m->nested = 0;
    m->in_flush = false;
    m->just_opened = true;
    m->touched = false;
}

/* ---- what is read, and what may be ---- */

static bool decides(const struct model *m, const struct layer *l, int block)
{
    if (block >= l->blocks && m->broken != S3_NO_LENGTH)
        return false;
    return l->parent < 0 || l->owned[block]; /* a root owns everything */
}

static value look(const struct model *m, int layer, int block, int sector)
{
    for (int i = layer; i >= 0; i = m->layers[i].parent)
        if (decides(m, &m->layers[i], block))
            return m->layers[i].data[block][sector].cached;
    return 0;
}

static void note_written(struct model *m, int block, int sector, value v)
{
    int *count = &m->written_count[block][sector];

    if (*count == HISTORY)
        abort();
    m->history[block][sector][(*count)++] = (struct written){v, ++m->now};
    m->touched = true;
}

/* From now on only `v` may be found. */
static void note_settled(struct model *m, int block, int sector, value v)
{
    m->written_count[block][sector] = 0;
    note_written(m, block, sector, v);
    m->flushed[block][sector] = m->now;
}

static void settle_all(struct model *m)
{
    for (int b = 0; b < BLOCKS; b++)
        for (int s = 0; s < SECTORS; s++)
            note_settled(m, b, s, look(m, m->top, b, s));
}

static bool may_be_found(const struct model *m, int block, int sector, value v)
{
    for (int i = m->written_count[block][sector] - 1; i >= 0; i--) {
        const struct written *w = &m->history[block][sector][i];
        if (w->v == v)
            return true;
        if (w->time <= m->flushed[block][sector])
            return false;
    }
    return false;
}

static bool pair_holds(const struct pair *pair)
{
    return pair->numbers[0] >= pair->numbers[1] && pair->changes[0] == pair->changes[1];
}

static bool snapshots_hold(const struct model *m)
{
    for (int i = 0; i < m->snapshot_count; i++)
        if (!pair_holds(&m->snapshots[i].pair))
            return false;
    for (int i = 0; i < m->snapshot_count; i++)
        for (int b = 0; b < BLOCKS; b++)
            for (int s = 0; s < SECTORS; s++)
                if (look(m, m->snapshots[i].layer, b, s) != m->snapshots[i].view[b][s])
                    return false;
    return true;
}

static bool live_view_holds(const struct model *m)
{
    if (m->misread)
        return false;
    for (int b = 0; b < m->layers[m->top].blocks; b++)
        for (int s = 0; s < SECTORS; s++)
            if (look(m, m->top, b, s) != m->history[b][s][m->written_count[b][s] - 1].v)
                return false;
    return snapshots_hold(m);
}

static bool view_after_cut_holds(const struct model *m)
{
    for (int i = m->top; i >= 0; i = m->layers[i].parent)
        if (!m->layers[i].exists.cached)
            return false;
    if (!pair_holds(&m->pair))
        return false;
    for (int b = 0; b < m->layers[m->top].blocks; b++)
        for (int s = 0; s < SECTORS; s++)
            if (!may_be_found(m, b, s, look(m, m->top, b, s)))
                return false;
    return snapshots_hold(m);
}

/* ---- operations ---- */

static void meanwhile(struct model *m);

static void write_sectors(struct model *m)
{
    struct layer *l = &m->layers[m->top];
    int b = (int)pick(m, (unsigned)l->blocks);
    int first = (int)pick(m, SECTORS), end = first + 1 + (int)pick(m, (unsigned)(SECTORS - first));
    value block[SECTORS];

    if (b == m->claimed && m->broken != W3_NO_CLAIM)
        return; /* it would wait */
    int outer = m->claimed;
    m->claimed = b;
    bool copy_up = !l->owned[b];
    for (int s = 0; s < SECTORS; s++)
        block[s] = look(m, l->parent, b, s);
    if (m->broken == F1_BIT_BEFORE_DATA)
        l->changed[b] |= copy_up, l->owned[b] = true;
    if (copy_up)
        meanwhile(m);
    for (int s = first; s < end; s++) {
        block[s] = ++m->next_value;
        note_written(m, b, s, block[s]);
    }
    for (int s = 0; s < SECTORS; s++)
        if ((s >= first && s < end) || (copy_up && m->broken != W1_ONLY_NEW_SECTORS))
            put(m, &l->data[b][s], block[s]);
    l->changed[b] |= !l->owned[b];
    l->owned[b] = true;
    m->claimed = outer;
}

static void discard_block(struct model *m)
{
    struct layer *l = &m->layers[m->top];
    int b = (int)pick(m, (unsigned)l->blocks);

    if (b == m->claimed && m->broken != W3_NO_CLAIM)
        return;
    for (int s = 0; s < SECTORS; s++)
        note_written(m, b, s, 0);
    if (m->broken != W2_NO_PUNCH || l->owned[b])
        for (int s = 0; s < SECTORS; s++)
            put(m, &l->data[b][s], 0);
    l->changed[b] |= !l->owned[b] || m->broken == F3_DISCARD_CLEARS_BIT;
    l->owned[b] = m->broken != F3_DISCARD_CLEARS_BIT;
}

static void take_bits(struct layer *l, bool taken[BLOCKS])
{
    memcpy(taken, l->changed, sizeof(l->changed));
    memset(l->changed, 0, sizeof(l->changed));
}

static void write_bits(struct model *m, struct layer *l, const bool taken[BLOCKS])
{
    bool any = false;

    for (int b = 0; b < BLOCKS; b++)
        if (taken[b]) {
            put(m, &l->bits[b], l->owned[b]);
            any = true;
        }
    if ((any || m->just_opened) && m->broken != F1_MAP_UNSYNCED)
        sync_file(m, l, true);
}

static void answer_flush(struct model *m, unsigned covered)
{
    for (int b = 0; b < BLOCKS; b++)
        for (int s = 0; s < SECTORS; s++)
            for (int i = 0; i < m->written_count[b][s]; i++)
                if (m->history[b][s][i].time <= covered && m->history[b][s][i].time > m->flushed[b][s])
                    m->flushed[b][s] = m->history[b][s][i].time;
}

static void flush(struct model *m)
{
    struct layer *l = &m->layers[m->top];
    bool taken[BLOCKS];
    unsigned covered = m->now;

    if (m->in_flush && m->broken != F2_TWO_ROUNDS)
        return; /* it would wait for the next round */
    if (m->broken == F5_OPENED_IS_CLEAN && !m->touched) {
        answer_flush(m, covered);
        return;
    }
    m->in_flush = true;
    take_bits(l, taken);
    if (m->broken == F1_MAP_FIRST)
        write_bits(m, l, taken);
    meanwhile(m);
    sync_file(m, l, false);
    meanwhile(m);
    if (m->broken == F1_BITS_TAKEN_LATE)
        for (int b = 0; b < BLOCKS; b++)
            taken[b] |= l->changed[b];
    if (m->broken != F1_MAP_FIRST)
        write_bits(m, l, taken);
    answer_flush(m, covered);
    m->in_flush = false;
    m->just_opened = false;
}

static int new_layer(struct model *m, int parent, int blocks)
{
    struct layer *l = &m->layers[m->layer_count];

    *l = (struct layer){.parent = parent, .blocks = blocks};
    put(m, &l->exists, 1);
    step(m);
    if (m->broken != S2_COMMIT_BEFORE_FILES)
        make_durable(m, &l->exists);
    step(m);
    return m->layer_count++;
}

static void write_to_both(struct model *m)
{
    m->pair.numbers[0]++;
    step(m);
    m->pair.numbers[1]++;
}

static void change_tree_of_both(struct model *m)
{
    m->pair.changes[0]++;
    if (m->broken == S5_TWO_COMMITS)
        step(m);
    m->pair.changes[1]++;
}

static struct pair freeze_both(struct model *m)
{
    struct pair frozen = m->pair;

    if (m->broken == S5_HELD_ONE_BY_ONE && pick(m, 2))
        write_to_both(m);
    frozen.numbers[1] = m->pair.numbers[1];
    return frozen;
}

static void snapshot(struct model *m)
{
    if (m->layer_count == LAYERS || m->snapshot_count == SNAPSHOTS || m->in_flush)
        return;
    m->nested++; /* held: nothing comes between */
    int layer = new_layer(m, m->top, m->layers[m->top].blocks);
    if (m->broken != S4_NO_FLUSH)
        flush(m);
    step(m);
    for (int b = 0; b < BLOCKS; b++)
        for (int s = 0; s < SECTORS; s++)
            m->snapshots[m->snapshot_count].view[b][s] = look(m, m->top, b, s);
    m->snapshots[m->snapshot_count].pair = freeze_both(m);
    m->snapshots[m->snapshot_count++].layer = m->top;
    m->top = layer; /* the commit */
    change_tree_of_both(m);
    m->nested--;
}

static void roll_back(struct model *m)
{
    if (m->layer_count == LAYERS || m->snapshot_count == 0)
        return;
    int from = m->snapshots[pick(m, (unsigned)m->snapshot_count)].layer;
    int layer = new_layer(m, from, m->layers[from].blocks);
    step(m);
    m->top = layer;
    change_tree_of_both(m);
    settle_all(m);
}

/* ---- the merge ---- */

static bool is_named(const struct model *m, int layer)
{
    bool named = layer == m->top;

    for (int i = 0; i < m->snapshot_count; i++)
        named |= m->snapshots[i].layer == layer;
    return named;
}

static bool is_reached(const struct model *m, int layer)
{
    bool reached = false;

    for (int from = 0; from < m->layer_count; from++)
        for (int i = is_named(m, from) ? from : -1; i >= 0; i = m->layers[i].parent)
            reached |= i == layer;
    return reached;
}

/* Its only child, if it is hidden and has one; else -1. */
static int child_of_hidden(const struct model *m, int layer)
{
    int child = -1;

    if (m->layers[layer].parent < 0 || is_named(m, layer) || !is_reached(m, layer))
        return -1;
    for (int i = 0; i < m->layer_count; i++)
        if (m->layers[i].parent == layer && is_reached(m, i)) {
            if (child >= 0)
                return -1;
            child = i;
        }
    return child;
}

static void remove_snapshot(struct model *m)
{
    if (m->snapshot_count == 0)
        return;
    int gone = (int)pick(m, (unsigned)m->snapshot_count--);
    step(m);
    for (int i = gone; i < m->snapshot_count; i++)
        m->snapshots[i] = m->snapshots[i + 1];
}

/* Somebody who reads a block through the top has found out where it is. */
static void begin_read(struct model *m)
{
    int b = (int)pick(m, (unsigned)m->layers[m->top].blocks);

    for (int i = m->top; i >= 0; i = m->layers[i].parent)
        if (decides(m, &m->layers[i], b)) {
            m->reader.layer = i;
            m->reader.block = b;
            for (int s = 0; s < SECTORS; s++)
                m->reader.seen[s] = m->layers[i].data[b][s].cached;
            return;
        }
}

/* What lies below the top did not change meanwhile. */
static void end_read(struct model *m)
{
    if (m->reader.layer >= 0 && m->reader.layer != m->top)
        for (int s = 0; s < SECTORS; s++)
            m->misread |= m->layers[m->reader.layer].data[m->reader.block][s].cached != m->reader.seen[s];
    m->reader.layer = -1;
}

static void copy_block(struct model *m, const struct layer *hidden, struct layer *child, int b)
{
    if (b >= hidden->blocks || !hidden->owned[b] || child->owned[b])
        return;
    for (int s = 0; s < SECTORS; s++)
        put(m, &child->data[b][s], hidden->data[b][s].cached);
    child->owned[b] = child->changed[b] = true;
}

/* Both files in any case: another process may have left what is read as set. */
static void sync_child(struct model *m, struct layer *child)
{
    bool taken[BLOCKS];

    take_bits(child, taken);
    sync_file(m, child, false);
    for (int b = 0; b < BLOCKS; b++)
        if (taken[b])
            put(m, &child->bits[b], child->owned[b]);
    sync_file(m, child, true);
}

static void punch_hidden(struct model *m, struct layer *hidden, int b)
{
    for (int s = 0; s < SECTORS; s++)
        put(m, &hidden->data[b][s], 0);
}

static void merge_block(struct model *m, struct layer *hidden, struct layer *child, int b)
{
    if (pick(m, 2))
        begin_read(m);
    copy_block(m, hidden, child, b);
    if (m->broken == M2_PUNCHED_UNSYNCED)
        punch_hidden(m, hidden, b);
    if (m->broken != M1_LEFT_OUT_FIRST)
        sync_child(m, child);
    if (m->broken != M2_PUNCHED_UNDER_READER)
        end_read(m);
    if (m->broken != M1_LEFT_OUT_FIRST)
        punch_hidden(m, hidden, b);
    end_read(m);
}

/* As many blocks as there are, or fewer: then it begins again another time. */
static void merge(struct model *m)
{
    for (int layer = 0; layer < m->layer_count; layer++) {
        int above = child_of_hidden(m, layer);
        if (above < 0 || m->in_flush)
            continue;
        struct layer *hidden = &m->layers[layer], *child = &m->layers[above];
        int blocks = (int)pick(m, BLOCKS + 2);
        m->nested++; /* claims keep writers away from the block */
        for (int b = 0; b < blocks && b < BLOCKS; b++)
            merge_block(m, hidden, child, b);
        step(m);
        if (blocks >= BLOCKS)
            child->parent = hidden->parent; /* the commit */
        m->nested--;
        return;
    }
}

static void grow(struct model *m)
{
    struct layer *l = &m->layers[m->top];

    if (l->blocks == BLOCKS)
        return;
    step(m);
    l->blocks++;
    for (int s = 0; s < SECTORS; s++)
        note_settled(m, l->blocks - 1, s, 0);
}

/* Another thread's operation, in the middle of one. */
static void meanwhile(struct model *m)
{
    if (m->nested || pick(m, 3))
        return;
    m->nested++;
    if (m->broken == S1_WRITE_AFTER_FREEZE && m->claimed >= 0 && pick(m, 2))
        snapshot(m);
    else if (pick(m, 2))
        write_sectors(m);
    else
        flush(m);
    m->nested--;
}

static void (*const operations[])(struct model *m) = {
    write_sectors, write_sectors, write_sectors, write_sectors, discard_block, discard_block,
    flush,         flush,         snapshot,      roll_back,     grow,          write_to_both,
    remove_snapshot, merge,         merge,
};

/* ---- runs ---- */

static void begin(struct model *m, uint64_t seed, enum rule broken)
{
    memset(m, 0, sizeof(*m));
    m->broken = broken;
    m->random = seed;
    m->cut_at = ~0ul;
    m->claimed = -1;
    m->reader.layer = -1;
    m->layer_count = 2;
    m->top = 1;
    m->layers[0] = (struct layer){.parent = -1, .blocks = 3, .exists = {1, 1, false}};
    m->layers[1] = (struct layer){.parent = 0, .blocks = 3, .exists = {1, 1, false}};
    /* Beyond a root's end its file holds something, too. */
    for (int b = 0; b < BLOCKS; b++)
        for (int s = 0; s < SECTORS; s++) {
            value v = ++m->next_value;
            m->layers[0].data[b][s] = (struct cell){v, v, false};
        }
    settle_all(m);
}

/* The process was killed: what is read is not durable yet, but the next flush says that it is. */
static bool look_after_kill(struct model *m)
{
    bool holds = view_after_cut_holds(m);

    for (int b = 0; b < m->layers[m->top].blocks; b++)
        for (int s = 0; s < SECTORS; s++)
            note_written(m, b, s, look(m, m->top, b, s));
    m->touched = false;
    return holds;
}

/* One life, up to a cut. False if a rule's promise was seen broken. */
static bool live(struct model *m)
{
    m->cut_at = m->steps + 1 + pick(m, STEPS_UP_TO_CUT);
    m->ending = CUT;
    if (setjmp(m->power) == 0)
        for (int i = 0; i < OPERATIONS; i++) {
            operations[pick(m, sizeof(operations) / sizeof(operations[0]))](m);
            if (!live_view_holds(m))
                return false;
        }
    /* A stopped volume (F4) drops its cache before it is opened again. */
    if (m->ending != FAILED_SYNC && pick(m, 3) == 0) {
        open_again(m);
        return look_after_kill(m);
    }
    lose_power(m);
    open_again(m);
    bool holds = view_after_cut_holds(m);
    settle_all(m);
    return holds;
}

static bool run(struct model *m, uint64_t seed, enum rule broken)
{
    begin(m, seed, broken);
    for (int life = 0; life < LIVES; life++)
        if (!live(m))
            return false;
    return true;
}

/* The first seed at which a broken rule shows; 0: none. */
static uint64_t first_failure(struct model *m, uint64_t first, uint64_t count, enum rule broken,
                              unsigned long *cuts)
{
    for (uint64_t seed = first; seed < first + count; seed++) {
        bool held = run(m, seed, broken);
        *cuts += m->cuts;
        if (!held)
            return seed;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct model *m = malloc(sizeof(*m));
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : SEEDS;
    unsigned long cuts = 0;
    int failures = 0;

    uint64_t failed = first_failure(m, first, count, NONE, &cuts);
    if (failed)
        printf("FAILED: the rules do not hold at seed %llu\n", (unsigned long long)failed), failures++;
    printf("seeds from %llu: %lu power cuts\n", (unsigned long long)first, cuts);
    for (enum rule broken = NONE + 1; broken < RULES; broken++) {
        failed = first_failure(m, first, MUTANT_SEEDS, broken, &cuts);
        if (!failed)
            failures++;
        printf("%s %s", failed ? "caught:" : "NOT CAUGHT:", broken_names[broken]);
        printf(failed ? " (seed %llu)\n" : "\n", (unsigned long long)failed);
    }
    free(m);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
