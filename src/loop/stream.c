#include "loop/stream.h"

#include "base/clock.h"
#include "loop/listener.h"

#include <sys/socket.h>

enum { SPARE_OUTPUTS_MAX = 4, STALLED_CHECK_MS = 1000 };

/* A list of streams; each is in one of its pool's at most. */
struct stream_list {
    struct stream *first;
    struct stream **last;
};

struct stream_pool {
    struct loop *loop;
    uint8_t *input;
    size_t kept_bytes; /* of those that keep more than STREAM_KEPT_SMALL_BYTES */
    uint8_t *spare_outputs[SPARE_OUTPUTS_MAX];
    unsigned spare_count;

    struct stream_list lent; /* those that have an output, the one first that took something the longest ago */
    unsigned lent_count;
    struct stream_list waiting; /* those that want one */
    struct loop_timer *stalled; /* set while there are any */
};

struct stream {
    struct stream_pool *pool;
    int fd;
    struct loop_watch *watch;
    const struct stream_handler *handler;
    void *arg;

    uint8_t *kept; /* input that was not used yet */
    size_t kept_bytes;

    uint8_t *output; /* lent by the pool while something waits */
    size_t output_start;
    size_t output_end;
    size_t turn_bytes;       /* committed in this turn */
    bool wants_turn;         /* it had to stop for others */
    uint64_t progress_ms;    /* when the peer last took something; valid with an output */
    struct stream_list *list; /* of the pool, that it is in */
    struct stream *next, **previous;

    unsigned entered; /* calls of the handler below us */
    bool freed;       /* inside one of them */
    bool reading;
    bool kept_back; /* input was left over because reading stopped */
    bool ended;
    int error; /* why it was broken off */
};

/* ---- memory for output, and whose turn it is to have it ---- */

static void list_add(struct stream_list *list, struct stream *stream)
{
    stream->list = list;
    stream->next = NULL;
    stream->previous = list->last;
    *list->last = stream;
    list->last = &stream->next;
}

static void list_remove(struct stream *stream)
{
    if (!stream->list)
        return;
    *stream->previous = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    else
        stream->list->last = stream->previous;
    stream->list = NULL;
}

static void cut_off_stalled(void *arg);

struct stream_pool *stream_pool_new(struct loop *loop)
{
    struct stream_pool *pool = xcalloc(1, sizeof(*pool));

    pool->loop = loop;
    pool->lent.last = &pool->lent.first;
    pool->waiting.last = &pool->waiting.first;
    pool->stalled = loop_timer_new(loop, cut_off_stalled, pool);
    pool->input = malloc(STREAM_INPUT_BYTES);
    CHECK(pool->input != NULL);
    return pool;
}

void stream_pool_free(struct stream_pool *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < pool->spare_count; i++)
        free(pool->spare_outputs[i]);
    loop_timer_free(pool->stalled);
    free(pool->input);
    free(pool);
}

static void note_progress(struct stream *stream)
{
    list_remove(stream);
    list_add(&stream->pool->lent, stream);
    stream->progress_ms = clock_monotonic_ms();
}

static void wait_for_output(struct stream *stream)
{
    struct stream_pool *pool = stream->pool;

    if (stream->list)
        return;
    if (!pool->waiting.first)
        loop_timer_set(pool->stalled, STALLED_CHECK_MS);
    list_add(&pool->waiting, stream);
}

static bool cut_off_one_stalled(struct stream_pool *pool);

/* False if all memory is lent to others. */
static bool take_output(struct stream *stream)
{
    struct stream_pool *pool = stream->pool;

    if (pool->lent_count == STREAM_OUTPUTS_MAX && !cut_off_one_stalled(pool)) {
        wait_for_output(stream);
        return false;
    }
    stream->output =
        pool->spare_count ? pool->spare_outputs[--pool->spare_count] : malloc(STREAM_OUTPUT_BYTES);
    CHECK(stream->output != NULL);
    stream->output_start = stream->output_end = 0;
    pool->lent_count++;
    note_progress(stream);
    return true;
}

static void watch_for_what_is_wanted(struct stream *stream);

static void wake_one_that_waits(struct stream_pool *pool)
{
    struct stream *stream = pool->waiting.first;

    if (!stream)
        return;
    list_remove(stream);
    stream->wants_turn = true;
    watch_for_what_is_wanted(stream);
}

static void give_output_back(struct stream *stream)
{
    struct stream_pool *pool = stream->pool;

    if (!stream->output)
        return;
    if (pool->spare_count < SPARE_OUTPUTS_MAX)
        pool->spare_outputs[pool->spare_count++] = stream->output;
    else
        free(stream->output);
    stream->output = NULL;
    stream->output_start = stream->output_end = 0;
    pool->lent_count--;
    list_remove(stream);
    wake_one_that_waits(pool);
}

static bool turn_is_over(const struct stream *stream)
{
    return stream->turn_bytes >= STREAM_TURN_BYTES;
}

/* Input that was held back may be shown: that is done in the next turn, which a writable socket brings at
 * once. */
static bool goes_on(const struct stream *stream)
{
    return stream->kept_back && stream->reading;
}

/* A turn that is wanted comes as soon as the socket takes something; one without memory is woken by it. */
static bool wants_to_write(const struct stream *stream)
{
    return stream_has_output(stream) || goes_on(stream) || stream->wants_turn;
}

static void watch_for_what_is_wanted(struct stream *stream)
{
    if (!stream->freed && !stream->ended)
        loop_watch_set(stream->watch, (stream->reading ? LOOP_READ : 0) | (wants_to_write(stream) ? LOOP_WRITE : 0));
}

/* The end is told from the next event, not from inside a caller's send. */
static void break_off(struct stream *stream, int error)
{
    stream->error = error;
    stream->reading = true;
    shutdown(stream->fd, SHUT_RDWR);
    give_output_back(stream);
    watch_for_what_is_wanted(stream);
}

static bool cut_off_one_stalled(struct stream_pool *pool)
{
    struct stream *slowest = pool->lent.first;

    if (!slowest || clock_monotonic_ms() - slowest->progress_ms < STREAM_STALLED_MS)
        return false;
    break_off(slowest, -ENOBUFS);
    return true;
}

/* Those who read get what those hold who do not. */
static void cut_off_stalled(void *arg)
{
    struct stream_pool *pool = arg;

    while (pool->waiting.first && cut_off_one_stalled(pool))
        ;
    if (pool->waiting.first)
        loop_timer_set(pool->stalled, STALLED_CHECK_MS);
}

/* What counts of so much kept input for all of a loop together. */
static size_t large_kept(size_t length_bytes)
{
    return length_bytes > STREAM_KEPT_SMALL_BYTES ? length_bytes : 0;
}

static void keep(struct stream *stream, const uint8_t *bytes, size_t length_bytes)
{
    uint8_t *kept = NULL;

    if (length_bytes) {
        kept = malloc(length_bytes);
        CHECK(kept != NULL);
        memcpy(kept, bytes, length_bytes);
    }
    stream->pool->kept_bytes += large_kept(length_bytes) - large_kept(stream->kept_bytes);
    free(stream->kept);
    stream->kept = kept;
    stream->kept_bytes = length_bytes;
}

static void release(struct stream *stream)
{
    loop_watch_free(stream->watch);
    close(stream->fd);
    give_output_back(stream);
    list_remove(stream);
    keep(stream, NULL, 0);
    free(stream);
}

static void enter(struct stream *stream)
{
    stream->entered++;
}

/* False if the stream is gone. */
static bool leave(struct stream *stream)
{
    if (--stream->entered == 0 && stream->freed) {
        release(stream);
        return false;
    }
    return !stream->freed;
}

static void end(struct stream *stream, int error)
{
    if (stream->ended || stream->freed)
        return;
    stream->ended = true;
    loop_watch_set(stream->watch, 0);
    stream->handler->ended(stream->arg, error);
}

/* ---- input ---- */

static void show_input(struct stream *stream, size_t length_bytes)
{
    const uint8_t *input = stream->pool->input;
    size_t used = 0;

    while (used < length_bytes && !stream->freed && !stream->ended) {
        size_t step = stream->handler->input(stream->arg, input + used, length_bytes - used);
        if (!step)
            break;
        used += step;
    }
    if (!stream->freed) {
        stream->kept_back = used < length_bytes && !stream->reading;
        keep(stream, input + used, length_bytes - used);
        if (large_kept(stream->kept_bytes) && stream->pool->kept_bytes > STREAM_KEPT_MAX_BYTES)
            break_off(stream, -ENOBUFS);
    }
}

/* Work until nothing that was held back can go on in this turn. */
static void get_ready(struct stream *stream)
{
    do {
        if (goes_on(stream) && !turn_is_over(stream)) {
            memcpy(stream->pool->input, stream->kept, stream->kept_bytes);
            show_input(stream, stream->kept_bytes);
        }
        if (stream->freed || stream->ended)
            return;
        stream->handler->ready(stream->arg);
    } while (!stream->freed && !stream->ended && goes_on(stream) && !turn_is_over(stream));
}

static void receive(struct stream *stream)
{
    uint8_t *input = stream->pool->input;
    struct iovec place = stream->handler->place(stream->arg);
    struct iovec vec[2] = {place, {input + stream->kept_bytes, STREAM_INPUT_BYTES - stream->kept_bytes}};

    CHECK(!place.iov_len || !stream->kept_bytes);
    ssize_t got = readv(stream->fd, place.iov_len ? vec : vec + 1, place.iov_len ? 2 : 1);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            end(stream, got == 0 ? 0 : -errno);
        return;
    }
    size_t placed = MIN((size_t)got, place.iov_len);
    if (placed)
        stream->handler->placed(stream->arg, placed);
    if (stream->freed)
        return;
    if (stream->kept_bytes)
        memcpy(input, stream->kept, stream->kept_bytes);
    show_input(stream, stream->kept_bytes + (size_t)got - placed);
    if (!stream->freed && !stream->ended)
        get_ready(stream);
}

void stream_set_reading(struct stream *stream, bool reading)
{
    stream->reading = reading;
    watch_for_what_is_wanted(stream);
}

/* ---- output ---- */

static bool has_room(const struct stream *stream, size_t length_bytes)
{
    return stream->output && stream->output_end + length_bytes <= STREAM_OUTPUT_BYTES;
}

uint8_t *stream_reserve(struct stream *stream, size_t length_bytes)
{
    CHECK(length_bytes <= STREAM_OUTPUT_BYTES);
    if (stream->error)
        return NULL;
    if (turn_is_over(stream)) {
        /* Also when it was asked for outside of a turn: then nothing else sees to it that another one comes. */
        stream->wants_turn = true;
        watch_for_what_is_wanted(stream);
        return NULL;
    }
    if (stream->output && !has_room(stream, length_bytes))
        stream_send(stream);
    if (!stream->output && !take_output(stream))
        return NULL;
    return has_room(stream, length_bytes) ? stream->output + stream->output_end : NULL;
}

void stream_commit(struct stream *stream, size_t length_bytes)
{
    stream->output_end += length_bytes;
    stream->turn_bytes += length_bytes;
    CHECK(stream->output_end <= STREAM_OUTPUT_BYTES);
}

bool stream_has_output(const struct stream *stream)
{
    return stream->output_start < stream->output_end;
}

bool stream_is_broken(const struct stream *stream)
{
    return stream->error != 0;
}

void stream_send(struct stream *stream)
{
    while (stream_has_output(stream) && !stream->ended) {
        ssize_t sent = send(stream->fd, stream->output + stream->output_start,
                            stream->output_end - stream->output_start, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            break_off(stream, -errno);
            return;
        }
        if (sent < 0)
            break;
        stream->output_start += (size_t)sent;
        if (stream_has_output(stream))
            note_progress(stream);
    }
    if (!stream_has_output(stream))
        give_output_back(stream);
    watch_for_what_is_wanted(stream);
}

static void drain(struct stream *stream)
{
    stream_send(stream);
    if (!stream->freed && !stream->ended)
        get_ready(stream);
}

/* ---- life ---- */

static void on_event(void *arg, int events)
{
    struct stream *stream = arg;

    enter(stream);
    stream->turn_bytes = 0;
    stream->wants_turn = false;
    if (stream->error)
        end(stream, stream->error);
    if (events & LOOP_WRITE && !stream->freed && !stream->ended)
        drain(stream);
    if (events & LOOP_READ && stream->reading && !stream->freed && !stream->ended)
        receive(stream);
    if (leave(stream))
        watch_for_what_is_wanted(stream);
}

struct stream *stream_new(struct stream_pool *pool, int fd, const struct stream_handler *handler, void *arg)
{
    struct stream *stream = xcalloc(1, sizeof(*stream));

    *stream = (struct stream){.pool = pool, .fd = fd, .handler = handler, .arg = arg, .reading = true};
    stream->watch = loop_watch_new(pool->loop, fd, on_event, stream);
    watch_for_what_is_wanted(stream);
    return stream;
}

void stream_free(struct stream *stream)
{
    if (!stream || stream->freed)
        return;
    stream->freed = true;
    loop_watch_set(stream->watch, 0);
    if (!stream->entered)
        release(stream);
}

int stream_local_address(const struct stream *stream, struct sockaddr_in *local)
{
    socklen_t length = sizeof(*local);

    return getsockname(stream->fd, (struct sockaddr *)local, &length) < 0 ? -errno : 0;
}

void stream_watch_peer(struct stream *stream, bool urgently)
{
    listener_watch_peer(stream->fd, urgently);
}
