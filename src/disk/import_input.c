#include "disk/import_input.h"

#include "disk/digest.h"

#include <poll.h>
#include <sys/stat.h>

enum { CANCEL_CHECK_MS = 200 };

static uint64_t bytes_left_in_file(int fd)
{
    struct stat st;
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (at < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < at)
        return 0;
    return (uint64_t)(st.st_size - at);
}

void import_input_open(struct import_input *input, int fd, const atomic_bool *cancelled)
{
    *input = (struct import_input){.fd = fd,
                                   .cancelled = cancelled,
                                   .total_bytes = bytes_left_in_file(fd),
                                   .digest = sha256_begin(),
                                   .buffer = xcalloc(IMPORT_INPUT_BYTES, 1)};
}

void import_input_close(struct import_input *input)
{
    EVP_MD_CTX_free(input->digest);
    free(input->buffer);
}

static bool is_cancelled(const struct import_input *input)
{
    return input->cancelled && atomic_load_explicit(input->cancelled, memory_order_relaxed);
}

/* Waits until there is something to read, or until somebody cancels. */
static int wait_readable(const struct import_input *input)
{
    struct pollfd one = {.fd = input->fd, .events = POLLIN};

    for (;;) {
        if (is_cancelled(input))
            return -ECANCELED;
        int r = poll(&one, 1, CANCEL_CHECK_MS);
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

static void keep_tail(struct import_input *input, const uint8_t *bytes, size_t length)
{
    size_t fresh = MIN(length, sizeof(input->tail));
    size_t kept = MIN(input->tail_bytes, sizeof(input->tail) - fresh);

    memmove(input->tail, input->tail + input->tail_bytes - kept, kept);
    memcpy(input->tail + kept, bytes + length - fresh, fresh);
    input->tail_bytes = kept + fresh;
}

/* Appends one read to the buffer, which has room. */
static int read_more(struct import_input *input)
{
    ssize_t got;

    do {
        int r = wait_readable(input);
        if (r < 0)
            return r;
        got = read(input->fd, input->buffer + input->length, IMPORT_INPUT_BYTES - input->length);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    if (got < 0)
        return -errno;
    input->ended = got == 0;
    sha256_add(input->digest, input->buffer + input->length, (size_t)got);
    keep_tail(input, input->buffer + input->length, (size_t)got);
    input->length += (size_t)got;
    input->bytes_in += (uint64_t)got;
    return 0;
}

int import_input_fill(struct import_input *input)
{
    return import_input_want(input, 1);
}

int import_input_want(struct import_input *input, size_t want_bytes)
{
    CHECK(want_bytes <= IMPORT_INPUT_BYTES);
    if (import_input_left(input) >= want_bytes || input->ended)
        return 0;
    memmove(input->buffer, input->buffer + input->at, import_input_left(input));
    input->length -= input->at;
    input->at = 0;
    while (input->length < want_bytes && !input->ended) {
        int r = read_more(input);
        if (r < 0)
            return r;
    }
    return 0;
}

int import_input_drain(struct import_input *input)
{
    int r = 0;

    while (r == 0 && !(input->ended && import_input_left(input) == 0)) {
        input->at = input->length;
        r = import_input_fill(input);
    }
    return r;
}
