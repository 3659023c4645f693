#include "loop/loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>

struct loop_call_entry {
    void (*fn)(void *arg);
    void *arg;
    struct loop_call_entry *next;
};

struct loop {
    struct event_base *base;
    struct event *calls_event;
    char name[16];
    pthread_t thread; /* that loop_start made; valid while `started` */
    bool started;

    pthread_mutex_t lock; /* guards all below */
    bool running;
    pthread_t runner; /* the thread inside loop_run; valid while `running` */
    struct loop_call_entry *first_call;
    struct loop_call_entry **last_call;
};

struct loop_timer {
    struct event *event;
    void (*fn)(void *arg);
    void *arg;
};

struct loop_watch {
    struct event *reading; /* two of them: to ask for one more or less is one call to the kernel then */
    struct event *writing;
    int events;
    void (*fn)(void *arg, int events);
    void *arg;
};

static struct loop_call_entry *take_calls(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_call_entry *first = loop->first_call;
    loop->first_call = NULL;
    loop->last_call = &loop->first_call;
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static void run_calls(struct loop *loop)
{
    struct loop_call_entry *entry = take_calls(loop);

    while (entry) {
        struct loop_call_entry *next = entry->next;
        entry->fn(entry->arg);
        free(entry);
        entry = next;
    }
}

static void on_calls(evutil_socket_t fd, short what, void *arg)
{
    run_calls(arg);
}

struct loop *loop_new(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *loop = xcalloc(1, sizeof(*loop));

    pthread_once(&once, (void (*)(void))evthread_use_pthreads);
    COPY_STRING(loop->name, name);
    pthread_mutex_init(&loop->lock, NULL);
    loop->last_call = &loop->first_call;
    loop->base = event_base_new();
    CHECK(loop->base != NULL);
    loop->calls_event = event_new(loop->base, -1, EV_PERSIST, on_calls, loop);
    CHECK(loop->calls_event != NULL);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->first_call)
        run_calls(loop);
    event_free(loop->calls_event);
    event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

static void loop_set_running(struct loop *loop, bool running)
{
    pthread_mutex_lock(&loop->lock);
    loop->runner = pthread_self();
    loop->running = running;
    pthread_mutex_unlock(&loop->lock);
}

void loop_run(struct loop *loop)
{
    loop_set_running(loop, true);
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    run_calls(loop);
    loop_set_running(loop, false);
}

static void *loop_thread(void *arg)
{
    struct loop *loop = arg;

    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

void loop_start(struct loop *loop)
{
    CHECK(!loop->started);
    loop->started = true;
    CHECK(pthread_create(&loop->thread, NULL, loop_thread, loop) == 0);
}

void loop_join(struct loop *loop)
{
    if (!loop->started)
        return;
    loop->started = false;
    pthread_join(loop->thread, NULL);
}

static void stop_now(void *arg)
{
    struct loop *loop = arg;

    event_base_loopbreak(loop->base);
}

void loop_stop(struct loop *loop)
{
    loop_call(loop, stop_now, loop);
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_call_entry *entry = xcalloc(1, sizeof(*entry));

    *entry = (struct loop_call_entry){.fn = fn, .arg = arg};
    pthread_mutex_lock(&loop->lock);
    bool wake = !loop->first_call;
    *loop->last_call = entry;
    loop->last_call = &entry->next;
    pthread_mutex_unlock(&loop->lock);
    if (wake)
        event_active(loop->calls_event, EV_READ, 0);
}

bool loop_is_current(const struct loop *loop)
{
    struct loop *l = (struct loop *)loop;

    pthread_mutex_lock(&l->lock);
    bool current = !l->running || pthread_equal(l->runner, pthread_self());
    pthread_mutex_unlock(&l->lock);
    return current;
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *timer = arg;

    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = xcalloc(1, sizeof(*timer));

    *timer = (struct loop_timer){.fn = fn, .arg = arg};
    timer->event = evtimer_new(loop->base, on_timer, timer);
    CHECK(timer->event != NULL);
    return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms)
{
    struct timeval delay = {.tv_sec = (time_t)(delay_ms / 1000), .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};

    CHECK(evtimer_add(timer->event, &delay) == 0);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    evtimer_del(timer->event);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    event_free(timer->event);
    free(timer);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *watch = arg;

    watch->fn(watch->arg, what & EV_READ ? LOOP_READ : LOOP_WRITE);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, void (*fn)(void *arg, int events), void *arg)
{
    struct loop_watch *watch = xcalloc(1, sizeof(*watch));

    *watch = (struct loop_watch){.fn = fn, .arg = arg};
    watch->reading = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_watch, watch);
    watch->writing = event_new(loop->base, fd, EV_WRITE | EV_PERSIST, on_watch, watch);
    CHECK(watch->reading != NULL && watch->writing != NULL);
    return watch;
}

static void ask_for(struct event *event, bool wanted)
{
    CHECK((wanted ? event_add(event, NULL) : event_del(event)) == 0);
}

void loop_watch_set(struct loop_watch *watch, int events)
{
    int changed = events ^ watch->events;

    watch->events = events;
    if (changed & LOOP_READ)
        ask_for(watch->reading, events & LOOP_READ);
    if (changed & LOOP_WRITE)
        ask_for(watch->writing, events & LOOP_WRITE);
}

void loop_watch_free(struct loop_watch *watch)
{
    if (!watch)
        return;
    event_free(watch->reading);
    event_free(watch->writing);
    free(watch);
}
