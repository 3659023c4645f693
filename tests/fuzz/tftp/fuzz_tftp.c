/*
 * A TFTP request, and a conversation of packets and silences that follows it.
 *
 * The input is pieces, each behind a length of two bytes: the request first, then packets; an empty piece is
 * a timeout. What must hold: blocks stay inside the file and the window, and everything ends.
 */
#include "tftp/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES = 70000 * 8 };

static void drain(struct tftp_transfer *t, uint64_t now_ms)
{
    struct tftp_block block;
    uint8_t oack[TFTP_OACK_MAX_BYTES];
    unsigned steps = 0;
    enum tftp_step step;

    while ((step = tftp_transfer_next(t, now_ms, &block)) == TFTP_STEP_OACK || step == TFTP_STEP_DATA) {
        if (step == TFTP_STEP_OACK)
            CHECK(tftp_encode_oack(oack, &t->granted) > 2);
        else
            CHECK(block.length_bytes <= t->blksize && block.offset + block.length_bytes <= t->size_bytes);
        CHECK(++steps <= TFTP_WINDOWSIZE_MAX + 1);
    }
    CHECK(t->acked <= t->sent && t->sent <= t->last_block);
}

static void converse(struct reader *r, const struct tftp_request *request)
{
    struct tftp_transfer t;
    uint64_t now_ms = 0;

    tftp_transfer_begin(&t, request, FILE_BYTES, 1500, now_ms);
    drain(&t, now_ms);
    while (reader_left(r) > 0) {
        struct reader packet = reader_take(r, reader_be16(r));
        now_ms++;
        if (reader_ok(&packet) && packet.length_bytes > 0) {
            tftp_transfer_receive(&t, packet.data, packet.length_bytes, now_ms);
        } else {
            now_ms = MAX(now_ms, t.deadline_ms);
            tftp_transfer_timeout(&t, now_ms);
        }
        drain(&t, now_ms);
    }
    for (int i = 0; i < 20 && t.outcome == TFTP_RUNNING; i++) {
        now_ms = t.deadline_ms;
        tftp_transfer_timeout(&t, now_ms);
        drain(&t, now_ms);
    }
    CHECK(t.outcome != TFTP_RUNNING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    struct reader packet = reader_take(&r, reader_be16(&r));
    struct tftp_request request;

    if (!reader_ok(&packet))
        return 0;
    if (tftp_decode_request(packet.data, packet.length_bytes, &request) == TFTP_REQUEST_READ)
        converse(&r, &request);
    return 0;
}
