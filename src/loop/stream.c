#include "loop/stream.h"

#include "loop/listener.h"

#include <sys/socket.h>

enum { SPARE_OUTPUTS_MAX = 4 };

struct stream_pool {
    struct loop *loop;
    uint8_t *input;
    uint8_t *spare_outputs[SPARE_OUTPUTS_MAX];
    unsigned spare_count;
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

    unsigned entered; /* calls of the handler below us */
    bool freed;       /* inside one of them */
    bool reading;
    bool kept_back; /* input was left over because reading stopped */
    bool broken; /* sending failed */
    bool ended;
};

struct stream_pool *stream_pool_new(struct loop *loop)
{
    struct stream_pool *pool = xcalloc(1, sizeof(*pool));

    pool->loop = loop;
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
    free(pool->input);
    free(pool);
}

static void take_output(struct stream *stream)
{
    struct stream_pool *pool = stream->pool;

    stream->output =
        pool->spare_count ? pool->spare_outputs[--pool->spare_count] : malloc(STREAM_OUTPUT_BYTES);
    CHECK(stream->output != NULL);
    stream->output_start = stream->output_end = 0;
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
}

/* Input that was held back may be shown: that is done in the next turn, which a writable socket brings at
 * once. */
static bool goes_on(const struct stream *stream)
{
    return stream->kept_back && stream->reading;
}

static void watch_for_what_is_wanted(struct stream *stream)
{
    if (!stream->freed && !stream->ended)
        loop_watch_set(stream->watch, (stream->reading ? LOOP_READ : 0) |
                                          (stream_has_output(stream) || goes_on(stream) ? LOOP_WRITE : 0));
}

static void release(struct stream *stream)
{
    loop_watch_free(stream->watch);
    close(stream->fd);
    give_output_back(stream);
    free(stream->kept);
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

static void keep(struct stream *stream, const uint8_t *bytes, size_t length_bytes)
{
    uint8_t *kept = NULL;

    if (length_bytes) {
        kept = malloc(length_bytes);
        CHECK(kept != NULL);
        memcpy(kept, bytes, length_bytes);
    }
    free(stream->kept);
    stream->kept = kept;
    stream->kept_bytes = length_bytes;
}

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
    }
}

/* Work until nothing that was held back can go on. */
static void get_ready(struct stream *stream)
{
    do {
        if (goes_on(stream)) {
            memcpy(stream->pool->input, stream->kept, stream->kept_bytes);
            show_input(stream, stream->kept_bytes);
        }
        if (stream->freed || stream->ended)
            return;
        stream->handler->ready(stream->arg);
    } while (!stream->freed && !stream->ended && goes_on(stream));
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

uint8_t *stream_reserve(struct stream *stream, size_t length_bytes)
{
    CHECK(length_bytes <= STREAM_OUTPUT_BYTES);
    if (!stream->output)
        take_output(stream);
    if (stream->output_end + length_bytes > STREAM_OUTPUT_BYTES)
        stream_send(stream);
    if (!stream->output)
        take_output(stream);
    if (stream->output_end + length_bytes > STREAM_OUTPUT_BYTES)
        return NULL;
    return stream->output + stream->output_end;
}

void stream_commit(struct stream *stream, size_t length_bytes)
{
    stream->output_end += length_bytes;
    CHECK(stream->output_end <= STREAM_OUTPUT_BYTES);
}

bool stream_has_output(const struct stream *stream)
{
    return stream->output_start < stream->output_end;
}

bool stream_is_broken(const struct stream *stream)
{
    return stream->broken;
}

void stream_send(struct stream *stream)
{
    while (stream_has_output(stream) && !stream->ended) {
        ssize_t sent = send(stream->fd, stream->output + stream->output_start,
                            stream->output_end - stream->output_start, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            /* The receiving side will learn of it: the end is told from there, not from inside a caller's
             * send. */
            stream->output_start = stream->output_end;
            stream->broken = true;
            stream->reading = true;
            shutdown(stream->fd, SHUT_RDWR);
            break;
        }
        if (sent < 0)
            break;
        stream->output_start += (size_t)sent;
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
    if (events & LOOP_WRITE)
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
