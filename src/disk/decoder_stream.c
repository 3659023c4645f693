/*
 * xz, gzip, zstd and bzip2: each a stream of one or more members, decoded by its own library through one
 * loop.
 */
#include "disk/decoder.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    XZ_THREADS_MAX = 8,
    MEMBER_HEAD_BYTES = 12,
};

#define XZ_MEMORY_MAX (UINT64_C(512) << 20)
#define XZ_MEMORY_MIN (UINT64_C(128) << 20)

struct span {
    uint8_t *data;
    size_t length;
};

enum step {
    STEP_MORE,       /* give more input, or more room */
    STEP_MEMBER_END, /* another member may follow */
    STEP_CUT_SHORT,
    STEP_DAMAGED,
    STEP_MEMORY,
};

struct codec {
    const char *name;
    bool (*recognises)(const uint8_t *head, size_t length_bytes);
    bool (*begin)(struct codec *codec);
    bool (*next_member)(struct codec *codec);
    /* Takes from `in` and puts into `out`, both of which it shortens. */
    enum step (*step)(struct codec *codec, struct span *in, struct span *out, bool input_ended);
    void (*end)(struct codec *codec);
    union {
        lzma_stream xz;
        z_stream gzip;
        ZSTD_DStream *zstd;
        bz_stream bzip2;
    };
};

struct stream {
    struct import_input *input;
    struct codec codec;
    bool between_members;
    bool ended;
};

/* ---- the four libraries ---- */

static bool recognises_xz(const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= 6 && memcmp(head,
                                       "\xfd"
                                       "7zXZ\0",
                                       6) == 0;
}

/* A quarter of the machine's memory, within bounds: blocks are decoded in parallel only as far as that goes.
 */
static uint64_t xz_memory_limit(void)
{
    uint64_t limit = MIN(lzma_physmem() / 4, XZ_MEMORY_MAX);

    return MAX(limit, XZ_MEMORY_MIN);
}

static bool xz_next_member(struct codec *codec)
{
    lzma_mt options = {.threads = MIN(MAX(lzma_cputhreads(), 1u), (uint32_t)XZ_THREADS_MAX),
                       .memlimit_threading = xz_memory_limit(),
                       .memlimit_stop = xz_memory_limit()};

    return lzma_stream_decoder_mt(&codec->xz, &options) == LZMA_OK;
}

static bool xz_begin(struct codec *codec)
{
    codec->xz = (lzma_stream)LZMA_STREAM_INIT;
    return xz_next_member(codec);
}

static enum step xz_step(struct codec *codec, struct span *in, struct span *out, bool input_ended)
{
    codec->xz.next_in = in->data;
    codec->xz.avail_in = in->length;
    codec->xz.next_out = out->data;
    codec->xz.avail_out = out->length;
    lzma_ret r = lzma_code(&codec->xz, input_ended ? LZMA_FINISH : LZMA_RUN);
    *in = (struct span){(uint8_t *)codec->xz.next_in, codec->xz.avail_in};
    *out = (struct span){codec->xz.next_out, codec->xz.avail_out};
    if (r == LZMA_STREAM_END)
        return STEP_MEMBER_END;
    if (r == LZMA_OK || r == LZMA_BUF_ERROR)
        return STEP_MORE;
    return r == LZMA_MEMLIMIT_ERROR || r == LZMA_MEM_ERROR ? STEP_MEMORY : STEP_DAMAGED;
}

static void xz_end(struct codec *codec)
{
    lzma_end(&codec->xz);
}

static bool recognises_gzip(const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= 3 && memcmp(head, "\x1f\x8b\x08", 3) == 0;
}

static bool gzip_begin(struct codec *codec)
{
    return inflateInit2(&codec->gzip, 16 + MAX_WBITS) == Z_OK; /* 16: the gzip frame, not zlib's */
}

static bool gzip_next_member(struct codec *codec)
{
    return inflateReset(&codec->gzip) == Z_OK;
}

static enum step gzip_step(struct codec *codec, struct span *in, struct span *out, bool input_ended)
{
    codec->gzip.next_in = in->data;
    codec->gzip.avail_in = (unsigned)in->length;
    codec->gzip.next_out = out->data;
    codec->gzip.avail_out = (unsigned)out->length;
    int r = inflate(&codec->gzip, Z_NO_FLUSH);
    *in = (struct span){codec->gzip.next_in, codec->gzip.avail_in};
    *out = (struct span){codec->gzip.next_out, codec->gzip.avail_out};
    if (r == Z_STREAM_END)
        return STEP_MEMBER_END;
    if (r == Z_OK || r == Z_BUF_ERROR)
        return STEP_MORE;
    return r == Z_MEM_ERROR ? STEP_MEMORY : STEP_DAMAGED;
}

static void gzip_end(struct codec *codec)
{
    inflateEnd(&codec->gzip);
}

static bool recognises_zstd(const uint8_t *head, size_t length_bytes)
{
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd};
    static const uint8_t skippable[] = {0x2a, 0x4d, 0x18};

    return length_bytes >= 4 &&
           (memcmp(head, frame, 4) == 0 || ((head[0] & 0xf0) == 0x50 && memcmp(head + 1, skippable, 3) == 0));
}

static bool zstd_begin(struct codec *codec)
{
    codec->zstd = ZSTD_createDStream();
    return codec->zstd && !ZSTD_isError(ZSTD_initDStream(codec->zstd));
}

static bool zstd_next_member(struct codec *codec)
{
    return !ZSTD_isError(ZSTD_DCtx_reset(codec->zstd, ZSTD_reset_session_only));
}

static enum step zstd_step(struct codec *codec, struct span *in, struct span *out, bool input_ended)
{
    ZSTD_inBuffer from = {.src = in->data, .size = in->length};
    ZSTD_outBuffer to = {.dst = out->data, .size = out->length};
    size_t r = ZSTD_decompressStream(codec->zstd, &to, &from);

    *in = (struct span){in->data + from.pos, in->length - from.pos};
    *out = (struct span){out->data + to.pos, out->length - to.pos};
    if (r == 0)
        return STEP_MEMBER_END;
    if (!ZSTD_isError(r))
        return STEP_MORE;
    return ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge ? STEP_MEMORY : STEP_DAMAGED;
}

static void zstd_end(struct codec *codec)
{
    ZSTD_freeDStream(codec->zstd);
}

static bool recognises_bzip2(const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= 10 && memcmp(head, "BZh", 3) == 0 && head[3] >= '1' && head[3] <= '9' &&
           (memcmp(head + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
            memcmp(head + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static bool bzip2_begin(struct codec *codec)
{
    codec->bzip2 = (bz_stream){0};
    return BZ2_bzDecompressInit(&codec->bzip2, 0, 0) == BZ_OK;
}

static bool bzip2_next_member(struct codec *codec)
{
    BZ2_bzDecompressEnd(&codec->bzip2);
    return bzip2_begin(codec);
}

static enum step bzip2_step(struct codec *codec, struct span *in, struct span *out, bool input_ended)
{
    codec->bzip2.next_in = (char *)in->data;
    codec->bzip2.avail_in = (unsigned)in->length;
    codec->bzip2.next_out = (char *)out->data;
    codec->bzip2.avail_out = (unsigned)out->length;
    int r = BZ2_bzDecompress(&codec->bzip2);
    *in = (struct span){(uint8_t *)codec->bzip2.next_in, codec->bzip2.avail_in};
    *out = (struct span){(uint8_t *)codec->bzip2.next_out, codec->bzip2.avail_out};
    if (r == BZ_STREAM_END)
        return STEP_MEMBER_END;
    if (r == BZ_OK)
        return STEP_MORE;
    return r == BZ_MEM_ERROR ? STEP_MEMORY : STEP_DAMAGED;
}

static void bzip2_end(struct codec *codec)
{
    BZ2_bzDecompressEnd(&codec->bzip2);
}

static const struct codec codec_xz = {.name = "xz",
                                      .recognises = recognises_xz,
                                      .begin = xz_begin,
                                      .next_member = xz_next_member,
                                      .step = xz_step,
                                      .end = xz_end};
static const struct codec codec_gzip = {.name = "gzip",
                                        .recognises = recognises_gzip,
                                        .begin = gzip_begin,
                                        .next_member = gzip_next_member,
                                        .step = gzip_step,
                                        .end = gzip_end};
static const struct codec codec_zstd = {.name = "zstd",
                                        .recognises = recognises_zstd,
                                        .begin = zstd_begin,
                                        .next_member = zstd_next_member,
                                        .step = zstd_step,
                                        .end = zstd_end};
static const struct codec codec_bzip2 = {.name = "bzip2",
                                         .recognises = recognises_bzip2,
                                         .begin = bzip2_begin,
                                         .next_member = bzip2_next_member,
                                         .step = bzip2_step,
                                         .end = bzip2_end};

/* ---- the loop ---- */

static int say(const struct stream *stream, enum step step, struct error *error)
{
    const char *name = stream->codec.name;

    switch (step) {
    case STEP_CUT_SHORT:
        return error_set(error, -EBADMSG, "the %s data ends too early: the file is cut short", name);
    case STEP_MEMORY:
        return error_set(error, -ENOMEM, "the %s data was made with a window too large to be unpacked here",
                         name);
    case STEP_DAMAGED:
        return error_set(error, -EBADMSG, "the %s data is damaged", name);
    case STEP_MORE:
    case STEP_MEMBER_END:
        break;
    }
    CHECK(false);
}

/* Behind a member comes another, or zeros that fill up a block, or nothing. 1 if another follows. */
static int find_next_member(struct stream *stream, struct error *error)
{
    struct import_input *input = stream->input;

    for (;;) {
        int r = import_input_want(input, MEMBER_HEAD_BYTES);
        if (r < 0)
            return error_set_errno(error, r, "cannot be read");
        size_t left = import_input_left(input);
        if (!left)
            return 0;
        if (stream->codec.recognises(import_input_data(input), left))
            return stream->codec.next_member(&stream->codec) ? 1 : say(stream, STEP_MEMORY, error);
        if (*import_input_data(input))
            return error_set(error, -EBADMSG, "something else follows the end of the %s data",
                             stream->codec.name);
        input->at++;
    }
}

/* One step of the library over what the input holds. */
static enum step take_step(struct stream *stream, struct span *out)
{
    struct import_input *input = stream->input;
    struct span in = {input->buffer + input->at, import_input_left(input)};
    size_t room = out->length;
    bool nothing_left = input->ended && !in.length;
    enum step step = stream->codec.step(&stream->codec, &in, out, input->ended);

    input->at = input->length - in.length;
    if (step == STEP_MORE && nothing_left && out->length == room)
        return STEP_CUT_SHORT;
    return step;
}

static ssize_t stream_read(void *state, void *buffer, size_t capacity_bytes, struct error *error)
{
    struct stream *stream = state;
    struct span out = {buffer, capacity_bytes};

    while (!stream->ended && out.length) {
        int r = stream->between_members ? find_next_member(stream, error) : 1;
        if (r < 0)
            return r;
        if (r == 0) {
            stream->ended = true;
            break;
        }
        stream->between_members = false;
        r = import_input_fill(stream->input);
        if (r < 0)
            return error_set_errno(error, r, "cannot be read");
        enum step step = take_step(stream, &out);
        if (step == STEP_MEMBER_END)
            stream->between_members = true;
        else if (step != STEP_MORE)
            return say(stream, step, error);
    }
    return (ssize_t)(capacity_bytes - out.length);
}

static int stream_open(struct import_input *input, const struct codec *codec, void **state,
                       struct error *error)
{
    CLEANUP_FREE struct stream *stream = xcalloc(1, sizeof(*stream));

    stream->input = input;
    stream->codec = *codec;
    if (!stream->codec.begin(&stream->codec))
        return say(stream, STEP_MEMORY, error);
    *state = TAKE_PTR(stream);
    return 0;
}

static void stream_close(void *state)
{
    struct stream *stream = state;

    stream->codec.end(&stream->codec);
    free(stream);
}

#define DEFINE_STREAM_DECODER(format)                                                                        \
    static int open_##format(struct import_input *input, uint64_t limit_bytes, void **state,                 \
                             struct error *error)                                                            \
    {                                                                                                        \
        return stream_open(input, &codec_##format, state, error);                                            \
    }                                                                                                        \
    const struct decoder decoder_##format = {.name = #format,                                                \
                                             .recognises = recognises_##format,                              \
                                             .open = open_##format,                                          \
                                             .read = stream_read,                                            \
                                             .close = stream_close};

DEFINE_STREAM_DECODER(xz)
DEFINE_STREAM_DECODER(gzip)
DEFINE_STREAM_DECODER(zstd)
DEFINE_STREAM_DECODER(bzip2)
