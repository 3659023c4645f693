#include "catalog/disk_gate.h"

#include <pthread.h>

struct closed {
    uint64_t machine_id;
    struct work *first; /* waiting, in order */
    struct work **last;
    struct closed *next;
};

struct disk_gate {
    struct workers *workers;
    pthread_mutex_t lock; /* guards all below */
    struct closed *closed;
    unsigned closed_count;
};

struct disk_gate *disk_gate_new(struct workers *workers)
{
    struct disk_gate *gate = xcalloc(1, sizeof(*gate));

    gate->workers = workers;
    pthread_mutex_init(&gate->lock, NULL);
    return gate;
}

void disk_gate_free(struct disk_gate *gate)
{
    if (!gate)
        return;
    CHECK(!gate->closed);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

static struct closed **find(struct disk_gate *gate, uint64_t machine_id)
{
    struct closed **at = &gate->closed;

    while (*at && (*at)->machine_id != machine_id)
        at = &(*at)->next;
    return at;
}

bool disk_gate_close(struct disk_gate *gate, uint64_t machine_id)
{
    pthread_mutex_lock(&gate->lock);
    struct closed **at = find(gate, machine_id);
    bool done = !*at && gate->closed_count < DISK_GATE_CLOSED_MAX;
    if (done) {
        *at = xcalloc(1, sizeof(**at));
        (*at)->machine_id = machine_id;
        (*at)->last = &(*at)->first;
        gate->closed_count++;
    }
    pthread_mutex_unlock(&gate->lock);
    return done;
}

static struct closed *take(struct disk_gate *gate, uint64_t machine_id)
{
    pthread_mutex_lock(&gate->lock);
    struct closed **at = find(gate, machine_id);
    struct closed *taken = *at;
    if (taken) {
        *at = taken->next;
        gate->closed_count--;
    }
    pthread_mutex_unlock(&gate->lock);
    return taken;
}

static void come_home(void *arg)
{
    struct work *work = arg;

    work->done(work);
}

/* It was accepted once: when the queue is full now, it runs here. */
static void let_go(struct disk_gate *gate, struct work *work)
{
    if (workers_submit(gate->workers, work))
        return;
    struct loop *home = work->done ? work->home : NULL;
    work->run(work);
    if (home)
        loop_call(home, come_home, work);
}

void disk_gate_open(struct disk_gate *gate, uint64_t machine_id)
{
    struct closed *taken = take(gate, machine_id);

    if (!taken)
        return;
    for (struct work *work = taken->first, *next; work; work = next) {
        next = work->next;
        let_go(gate, work);
    }
    free(taken);
}

bool disk_gate_submit(struct disk_gate *gate, uint64_t machine_id, struct work *work)
{
    pthread_mutex_lock(&gate->lock);
    struct closed *closed = *find(gate, machine_id);
    if (closed) {
        work->next = NULL;
        *closed->last = work;
        closed->last = &work->next;
    }
    pthread_mutex_unlock(&gate->lock);
    return closed || workers_submit(gate->workers, work);
}
