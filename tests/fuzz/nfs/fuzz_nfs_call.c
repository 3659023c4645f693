/*
 * Whole RPC calls: one byte of where it came to, two of length, and that much of a call; then the next.
 */
#include "nfs_stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { DATAGRAM = 1, PORT_MAPPER = 2 };
    struct reader r = reader_over(data, size);
    struct nfs_stage *stage = nfs_stage();

    while (reader_left(&r) > 3) {
        uint8_t where = reader_u8(&r);
        size_t length = MIN((size_t)reader_be16(&r), reader_left(&r));
        const struct nfs_caller caller = {
            .address = 1, .datagram = where & DATAGRAM, .port_mapper = where & PORT_MAPPER, .now_ms = 1};
        const uint8_t *call = reader_bytes(&r, length);
        CHECK(nfs_server_answer(stage->server, &caller, call, length, stage->reply) <= NFS_REPLY_MAX_BYTES);
    }
    return 0;
}
