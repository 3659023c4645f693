/*
 * How many clients may be connected: evhttp itself takes all that come.
 *
 * When the last place is taken the listener rests; clients then wait in the kernel's queue, which is bounded too.
 */
#pragma once

#include "loop/loop.h"

struct connections;
struct evhttp;

enum { CONNECTIONS_MAX = 192 };

/* Lets `http` accept from `listen_fd`, which it takes. On the loop's thread, as all here. */
struct connections *connections_new(struct loop *loop, struct evhttp *http, int listen_fd);
/* How many are open now. */
unsigned connections_count(struct connections *connections);
/* After `http` was freed. NULL is fine. */
void connections_free(struct connections *connections);
