/*
 * COMPOUNDs inside a session: one byte of how many operations, two of length, and that much of operations;
 * then the next. The session is made first, and SEQUENCE put in front of each.
 */
#include "nfs_stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nfs_stage *stage;
static const struct nfs_caller caller = {.address = 1, .now_ms = 1};
static uint32_t verifier;

static struct writer begin_call(uint8_t *bytes, size_t capacity, uint32_t operations)
{
    struct writer w = writer_over(bytes, capacity);
    static const uint32_t head[] = {7, 0, 2, 100003, 4, 1, 0, 0, 0, 0, 0, 1};

    for (size_t i = 0; i < ARRAY_SIZE(head); i++)
        writer_be32(&w, head[i]);
    writer_be32(&w, operations);
    return w;
}

static size_t call(const struct writer *w)
{
    return nfs_server_answer(stage->server, &caller, w->data, w->offset, stage->reply);
}

/* What stands at `offset` behind the head of the first result. */
static struct reader result_at(size_t length, size_t offset)
{
    enum { FIRST_RESULT = 24 + 12 + 8 };
    struct reader r = reader_over(stage->reply, length);

    reader_seek(&r, FIRST_RESULT + offset);
    return r;
}

static uint64_t exchange_id(void)
{
    uint8_t bytes[256];
    struct writer w = begin_call(bytes, sizeof(bytes), 1);

    writer_be32(&w, OP_EXCHANGE_ID);
    writer_be32(&w, 0);
    writer_be32(&w, ++verifier);
    xdr_put_string(&w, "fuzzer");
    writer_fill(&w, 0, 12);
    struct reader r = result_at(call(&w), 0);
    return reader_be64(&r);
}

static void create_session(uint64_t client_id, uint8_t id[NFS4_SESSIONID_SIZE])
{
    static const uint32_t channel[] = {0, 65536, 65536, 8192, 64, 2, 0};
    uint8_t bytes[256];
    struct writer w = begin_call(bytes, sizeof(bytes), 1);

    writer_be32(&w, OP_CREATE_SESSION);
    writer_be64(&w, client_id);
    writer_be32(&w, 1);
    writer_be32(&w, 0);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(channel); i++)
        writer_be32(&w, channel[i % ARRAY_SIZE(channel)]);
    writer_be32(&w, 0);
    writer_be32(&w, 0);
    struct reader r = result_at(call(&w), 0);
    reader_copy(&r, id, NFS4_SESSIONID_SIZE);
}

static void run(const uint8_t id[NFS4_SESSIONID_SIZE], uint32_t sequence, uint32_t count,
                struct reader *operations)
{
    static uint8_t bytes[1 << 16];
    struct writer w = begin_call(bytes, sizeof(bytes), count + 1);
    size_t length = reader_left(operations);

    writer_be32(&w, OP_SEQUENCE);
    writer_bytes(&w, id, NFS4_SESSIONID_SIZE);
    writer_be32(&w, sequence);
    writer_be32(&w, 0);
    writer_be32(&w, 0);
    xdr_put_bool(&w, count & 1);
    length = MIN(length, writer_left(&w));
    writer_bytes(&w, reader_bytes(operations, length), length);
    CHECK(call(&w) <= NFS_REPLY_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t id[NFS4_SESSIONID_SIZE];
    struct reader r = reader_over(data, size);
    uint8_t complete[] = {0, 0, 0, OP_RECLAIM_COMPLETE, 0, 0, 0, 0};
    struct reader first = reader_over(complete, sizeof(complete));

    stage = nfs_stage();
    create_session(exchange_id(), id);
    run(id, 1, 1, &first);
    for (uint32_t sequence = 2; reader_left(&r) > 3; sequence++) {
        uint8_t count = reader_u8(&r);
        struct reader operations = reader_take(&r, MIN((size_t)reader_be16(&r), reader_left(&r)));
        run(id, sequence, count, &operations);
    }
    return 0;
}
