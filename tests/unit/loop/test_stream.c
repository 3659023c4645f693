#include "../test.h"

#include "loop/stream.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { PEERS_MAX = STREAM_OUTPUTS_MAX + 1, MESSAGE_BYTES = 1000 };

/* A stream that repeats what it gets, and the other end of its connection. */
struct peer {
    struct world *world;
    struct stream *stream;
    int fd;
    size_t shown_bytes;  /* how much `input` was shown the last time */
    size_t leave_bytes;  /* `input` uses nothing until it is shown more than this */
    uint8_t *place;      /* where the next bytes go */
    size_t place_bytes;
    size_t placed_bytes;
    size_t to_say_bytes; /* what `ready` still has to say, in messages */
    unsigned readies;
    bool ended;
    int error;
};

struct world {
    struct loop *loop;
    struct stream_pool *pool;
    struct peer peers[PEERS_MAX];
};

static size_t on_input(void *arg, const uint8_t *bytes, size_t length_bytes)
{
    struct peer *p = arg;

    p->shown_bytes = length_bytes;
    if (length_bytes <= p->leave_bytes)
        return 0;
    uint8_t *to = stream_reserve(p->stream, length_bytes);
    if (!to)
        return length_bytes;
    memcpy(to, bytes, length_bytes);
    stream_commit(p->stream, length_bytes);
    return length_bytes;
}

static struct iovec on_place(void *arg)
{
    struct peer *p = arg;

    return (struct iovec){p->place + p->placed_bytes, p->place_bytes - p->placed_bytes};
}

static void on_placed(void *arg, size_t length_bytes)
{
    struct peer *p = arg;

    p->placed_bytes += length_bytes;
}

static void on_ready(void *arg)
{
    struct peer *p = arg;
    uint8_t *to;

    p->readies++;
    while (p->to_say_bytes && (to = stream_reserve(p->stream, MESSAGE_BYTES))) {
        memset(to, 'x', MESSAGE_BYTES);
        stream_commit(p->stream, MESSAGE_BYTES);
        p->to_say_bytes -= MIN(p->to_say_bytes, (size_t)MESSAGE_BYTES);
    }
    stream_send(p->stream);
}

static void on_end(void *arg, int error)
{
    struct peer *p = arg;

    p->ended = true;
    p->error = error;
}

static const struct stream_handler handler = {on_input, on_place, on_placed, on_ready, on_end};

static struct peer *open_peer(struct world *w, unsigned n)
{
    struct peer *p = &w->peers[n];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *p = (struct peer){.world = w, .fd = fds[1]};
    p->stream = stream_new(w->pool, fds[0], &handler, p);
    return p;
}

static void close_peer(struct peer *p)
{
    stream_free(TAKE_PTR(p->stream));
    close(p->fd);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* What is ready now is done, and what that makes ready. */
static void run(struct world *w, uint64_t ms)
{
    struct loop_timer *timer = loop_timer_new(w->loop, stop, w->loop);

    loop_timer_set(timer, ms);
    loop_run(w->loop);
    loop_timer_free(timer);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->loop = loop_new("test");
    w->pool = stream_pool_new(w->loop);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    stream_pool_free(w->pool);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void say(struct peer *p, const char *text)
{
    assert_int_equal(write(p->fd, text, strlen(text)), strlen(text));
}

static size_t hear(struct peer *p)
{
    static uint8_t bytes[1 << 20];
    ssize_t got = read(p->fd, bytes, sizeof(bytes));

    return got < 0 ? 0 : (size_t)got;
}

/* ---- input ---- */

static void what_comes_is_shown_and_answered(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    say(p, "hello");
    run(w, 10);
    assert_int_equal(p->shown_bytes, 5);
    assert_int_equal(hear(p), 5);
    assert_false(stream_has_output(p->stream));
    close_peer(p);
}

static void what_was_not_used_is_shown_again_with_more(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    p->leave_bytes = 5;
    say(p, "hello");
    run(w, 10);
    assert_int_equal(hear(p), 0);
    say(p, ", world");
    run(w, 10);
    assert_int_equal(p->shown_bytes, 12);
    assert_int_equal(hear(p), 12);
    close_peer(p);
}

static void bulk_data_goes_to_its_place_and_the_rest_to_input(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);
    uint8_t place[4];

    p->place = place;
    p->place_bytes = sizeof(place);
    say(p, "bulkrest!");
    run(w, 10);
    assert_memory_equal(place, "bulk", 4);
    assert_int_equal(p->shown_bytes, 5);
    close_peer(p);
}

static void what_came_while_nobody_reads_is_shown_when_reading_goes_on(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    stream_set_reading(p->stream, false);
    say(p, "later");
    run(w, 10);
    assert_int_equal(p->shown_bytes, 0);
    stream_set_reading(p->stream, true);
    run(w, 10);
    assert_int_equal(hear(p), 5);
    close_peer(p);
}

static void the_end_is_told_once(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    shutdown(p->fd, SHUT_WR);
    run(w, 10);
    assert_true(p->ended);
    assert_int_equal(p->error, 0);
    close_peer(p);
}

static void so_many_that_keep_much_are_cut_off(void **state)
{
    enum { EACH_BYTES = 180000, ENOUGH = STREAM_KEPT_MAX_BYTES / EACH_BYTES + 1 };
    struct world *w = *state;
    static uint8_t bytes[EACH_BYTES];
    struct stream_pool *pool = w->pool;
    struct peer *peers = xcalloc(ENOUGH, sizeof(*peers));
    unsigned cut = 0;

    for (unsigned n = 0; n < ENOUGH; n++) {
        int fds[2], room = 1 << 20;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
        peers[n] = (struct peer){.world = w, .fd = fds[1], .leave_bytes = SIZE_MAX - 1};
        peers[n].stream = stream_new(pool, fds[0], &handler, &peers[n]);
        for (size_t sent = 0; sent < EACH_BYTES;) {
            ssize_t step = write(fds[1], bytes, EACH_BYTES - sent);
            sent += step > 0 ? (size_t)step : 0;
            run(w, step > 0 ? 0 : 1);
        }
    }
    run(w, 20);
    for (unsigned n = 0; n < ENOUGH; n++) {
        cut += peers[n].ended && peers[n].error == -ENOBUFS;
        close_peer(&peers[n]);
    }
    assert_in_range(cut, 1, 2);
    free(peers);
}

/* ---- output ---- */

static void a_turn_has_an_end(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);
    size_t heard = 0, step;

    p->to_say_bytes = 3 * STREAM_TURN_BYTES;
    say(p, "!");
    for (unsigned n = 0; n < 10000 && p->to_say_bytes; n++) {
        run(w, 0);
        while ((step = hear(p)))
            heard += step;
    }
    run(w, 10);
    assert_in_range(heard + hear(p), 3 * STREAM_TURN_BYTES, 3 * STREAM_TURN_BYTES + 2 * MESSAGE_BYTES);
    assert_true(p->readies >= 3);
    close_peer(p);
}

/* As when a worker comes home: nothing is sent, and no event is going on that would look after it. */
static void a_turn_that_ended_outside_of_an_event_comes_again(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    while (stream_reserve(p->stream, MESSAGE_BYTES)) {
        stream_commit(p->stream, MESSAGE_BYTES);
        stream_send(p->stream);
        while (hear(p))
            ;
    }
    assert_false(stream_has_output(p->stream));
    p->to_say_bytes = MESSAGE_BYTES;
    run(w, 10);
    assert_int_equal(hear(p), MESSAGE_BYTES);
    close_peer(p);
}

static void whoever_does_not_read_holds_one_buffer(void **state)
{
    struct world *w = *state;
    struct peer *p = open_peer(w, 0);

    p->to_say_bytes = 16 << 20;
    say(p, "!");
    run(w, 20);
    assert_true(p->to_say_bytes > (16 << 20) - 2 * STREAM_OUTPUT_BYTES);
    assert_true(stream_has_output(p->stream));
    close_peer(p);
}

/* All memory is held by those who do not read; one more waits, and goes on when one of them has read. */
static void without_memory_one_waits_for_others(void **state)
{
    struct world *w = *state;

    for (unsigned n = 0; n < PEERS_MAX - 1; n++) {
        open_peer(w, n)->to_say_bytes = STREAM_TURN_BYTES;
        say(&w->peers[n], "!");
    }
    run(w, 50);
    struct peer *last = open_peer(w, PEERS_MAX - 1);
    last->to_say_bytes = MESSAGE_BYTES;
    last->leave_bytes = 1;
    say(last, "!");
    run(w, 20);
    assert_int_equal(hear(last), 0);
    assert_int_equal(last->to_say_bytes, MESSAGE_BYTES);

    close_peer(&w->peers[7]);
    run(w, 20);
    assert_int_equal(hear(last), MESSAGE_BYTES);
    assert_false(last->ended);
    for (unsigned n = 0; n < PEERS_MAX; n++)
        if (n != 7)
            close_peer(&w->peers[n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_comes_is_shown_and_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_used_is_shown_again_with_more, setup, teardown),
        cmocka_unit_test_setup_teardown(bulk_data_goes_to_its_place_and_the_rest_to_input, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_while_nobody_reads_is_shown_when_reading_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(so_many_that_keep_much_are_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_has_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_that_ended_outside_of_an_event_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_does_not_read_holds_one_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_one_waits_for_others, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
