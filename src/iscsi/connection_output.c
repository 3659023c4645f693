/*
 * What a connection sends: the PDUs of its session, with data read straight into their places.
 */
#include "iscsi/connection_parts.h"

#include "base/clock.h"

/* The data of a read, into its place behind the header. False: not now, or never; the task has been moved. */
static bool fetch(struct connection *c, const struct session_output *out, uint8_t *data)
{
    int r = scsi_read(&out->task->scsi, out->read_offset, data, out->read_bytes, VOLUME_NO_WAIT);

    if (r == 0)
        return true;
    if (r == -EAGAIN)
        connection_read_elsewhere(c, out->task);
    else
        session_read_failed(c->session, out->task);
    return false;
}

/* False when the output is full. */
static bool put_pdu(struct connection *c, const struct session_output *out)
{
    struct pdu_digests digests = c->session->digests;
    size_t header = pdu_header_bytes(&out->pdu, digests);
    size_t data_room = MAX(out->pdu.data_bytes, out->read_bytes);
    uint8_t *to = stream_reserve(c->stream, header + data_room + PDU_DIGEST_BYTES + 3);

    if (!to)
        return false;
    if (out->read && !fetch(c, out, to + header))
        return true;
    if (!out->read && out->pdu.data_bytes)
        memcpy(to + header, out->data, out->pdu.data_bytes);
    pdu_write_header(&out->pdu, digests, to);
    size_t trailer = pdu_write_trailer(&out->pdu, digests, to + header);
    stream_commit(c->stream, header + out->pdu.data_bytes + trailer);
    if (out->has_status)
        c->session->now_ns = clock_monotonic_ns();
    if (session_sent(c->session, out))
        connection_leave(c);
    return true;
}

void connection_put_output(struct connection *c)
{
    struct session_output out;

    while (c->phase == PHASE_FULL && session_next(c->session, &out)) {
        if (!put_pdu(c, &out))
            break;
    }
    stream_send(c->stream);
}

/* iPXE takes an Async Message for an error (and then ends what is about to end anyway, but says so to its user). */
void connection_announce_end(struct connection *c)
{
    if (c->phase != PHASE_FULL || c->is_firmware)
        return;
    session_announce_end(c->session);
    connection_put_output(c);
}

static void reset_target(struct connection *c)
{
    c->session->reset_target = false;
    registry_close_machine(&c->loop->service->registry, c->machine.id);
}

/* Does what can be done now, and says what can be said. */
void connection_go_on(struct connection *c)
{
    if (c->phase != PHASE_FULL)
        return;
    connection_execute(c);
    connection_put_output(c);
    c->session->now_ns = 0; /* what comes now belongs to the next turn */
    if (c->phase != PHASE_FULL)
        return;
    connection_publish(c);
    connection_tell_stages(c);
    connection_go_on_renewing(c);
    stream_set_reading(c->stream, !session_is_full(c->session));
    if (c->session->reset_target && !c->session->replies.first)
        reset_target(c);
}
