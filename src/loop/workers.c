#include "loop/workers.h"

#include <pthread.h>

enum { WORKERS_MAX = 64 };

struct workers {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t arrived;
    struct work *first;
    struct work **last;
    unsigned queued;
    unsigned max_queued;
    bool stopping;

    pthread_t threads[WORKERS_MAX];
    unsigned thread_count;
};

/* The next piece of work, waiting for one; NULL when the pool ends and nothing is left. */
static struct work *next_work(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->stopping)
        pthread_cond_wait(&workers->arrived, &workers->lock);
    struct work *work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = &workers->first;
        workers->queued--;
    }
    pthread_mutex_unlock(&workers->lock);
    return work;
}

static void work_done(void *arg)
{
    struct work *work = arg;

    work->done(work);
}

static void *worker_thread(void *arg)
{
    struct work *work;

    pthread_setname_np(pthread_self(), "worker");
    while ((work = next_work(arg))) {
        /* Without a `done` the sender may free the work inside `run`: look before. */
        struct loop *home = work->done ? work->home : NULL;
        work->run(work);
        if (home)
            loop_call(home, work_done, work);
    }
    return NULL;
}

struct workers *workers_new(unsigned threads, unsigned max_queued)
{
    struct workers *workers = xcalloc(1, sizeof(*workers));

    CHECK(threads >= 1 && threads <= WORKERS_MAX);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->arrived, NULL);
    workers->last = &workers->first;
    workers->max_queued = max_queued;
    workers->thread_count = threads;
    for (unsigned i = 0; i < threads; i++)
        CHECK(pthread_create(&workers->threads[i], NULL, worker_thread, workers) == 0);
    return workers;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->arrived);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->arrived);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

bool workers_submit(struct workers *workers, struct work *work)
{
    pthread_mutex_lock(&workers->lock);
    bool accepted = workers->queued < workers->max_queued;
    if (accepted) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->queued++;
        pthread_cond_signal(&workers->arrived);
    }
    pthread_mutex_unlock(&workers->lock);
    return accepted;
}
