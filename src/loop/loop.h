/*
 * The only code that waits.
 *
 * A loop is one thread's turn-taking: descriptors, timers and calls from other threads, on one libevent base. A
 * connection or transfer stays on one loop for life, so what it owns needs no lock. Nothing run by a loop may block;
 * what may block goes to the workers (loop/workers.h). Threads speak only by `loop_call`.
 */
#pragma once

#include "base/base.h"

struct event_base;
struct loop;
struct loop_timer;
struct loop_watch;

/* `name` names the thread in tools like top; at most 15 bytes. */
struct loop *loop_new(const char *name);
/* Calls still queued are run first, so that nothing that was handed over is lost. */
void loop_free(struct loop *loop);

/* Runs until `loop_stop`, on the calling thread. */
void loop_run(struct loop *loop);
/* Starts a thread that runs the loop; `loop_join` waits for its end. */
void loop_start(struct loop *loop);
void loop_join(struct loop *loop);
/* From any thread. */
void loop_stop(struct loop *loop);

/* Runs `fn(arg)` on the loop's thread, soon and in order. From any thread, the loop's own included. */
void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Whether the caller is on the loop's thread (or the loop does not run yet). */
bool loop_is_current(const struct loop *loop);
/* For libevent's own pieces (evhttp, signals) only. */
struct event_base *loop_event_base(struct loop *loop);

/* A timer that fires once each time it is set. Create, set, cancel and free on the loop's thread. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_cancel(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* Watches a descriptor, level-triggered. Starts with nothing asked for; `fn` is called for each event that is ready, with
 * that one. The descriptor stays the caller's and is closed after the watch is freed. Freeing inside the callback is allowed. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, void (*fn)(void *arg, int events), void *arg);
void loop_watch_set(struct loop_watch *watch, int events);
void loop_watch_free(struct loop_watch *watch);
