/*
 * What a connection receives: PDUs cut out of the stream, their data put where it belongs.
 */
#include "iscsi/connection_parts.h"

#include "base/clock.h"

enum { LOGIN_DATA_MAX_BYTES = 16384 };

/* A whole PDU whose data has no place of its own. */
static void take_request(struct connection *c, const struct pdu *pdu, const uint8_t *data)
{
    if (c->phase == PHASE_LOGIN)
        connection_handle_login(c, login_request(c->login, pdu, data));
    else if (session_request(c->session, pdu, data) == SESSION_BROKEN)
        connection_end(c, "the initiator broke the protocol");
}

static void end_data(struct connection *c)
{
    c->frame = FRAME_HEADER;
    if (c->place && !pdu_data_digest_ok(&c->pdu, c->place, c->trailer, c->session->digests))
        connection_end(c, "data digest error");
    else if (session_end_data(c->session, &c->pdu) == SESSION_BROKEN)
        connection_end(c, "the initiator broke the protocol");
}

static size_t begin_data(struct connection *c, const struct pdu *pdu, size_t header_bytes)
{
    c->pdu = *pdu;
    c->placed_bytes = c->trailer_bytes = 0;
    /* Once in a turn is enough: its commands came together. */
    if (!c->session->now_ns)
        c->session->now_ns = clock_monotonic_ns();
    if (session_begin_data(c->session, pdu, &c->place) == SESSION_BROKEN) {
        connection_end(c, "the initiator broke the protocol");
        return 0;
    }
    if (pdu->data_bytes)
        c->frame = FRAME_DATA;
    else
        end_data(c);
    return header_bytes;
}

static bool has_place(const struct connection *c, const struct pdu *pdu)
{
    return c->phase == PHASE_FULL && (pdu->opcode == PDU_SCSI_COMMAND || pdu->opcode == PDU_DATA_OUT);
}

static struct pdu_digests digests_of(const struct connection *c)
{
    return c->session ? c->session->digests : (struct pdu_digests){0};
}

/* A PDU whose data has no place of its own is shown again until it is all there. */
static size_t take_whole(struct connection *c, const struct pdu *pdu, const uint8_t *bytes,
                         size_t length_bytes)
{
    struct pdu_digests digests = digests_of(c);
    size_t header = pdu_header_bytes(pdu, digests);
    size_t whole = header + pdu->data_bytes + pdu_trailer_bytes(pdu, digests);
    if (length_bytes < whole)
        return 0;
    if (pdu_data_digest_ok(pdu, bytes + header, bytes + header + pdu->data_bytes, digests))
        take_request(c, pdu, bytes + header);
    else
        connection_end(c, "data digest error");
    return whole;
}

static size_t take_pdu(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    struct pdu pdu = pdu_decode(bytes);
    struct pdu_digests digests = digests_of(c);
    size_t header = pdu_header_bytes(&pdu, digests);
    size_t most = c->phase == PHASE_LOGIN ? LOGIN_DATA_MAX_BYTES : PDU_DATA_MAX_BYTES;

    if (pdu.data_bytes > most) {
        connection_end(c, "a data segment longer than was declared");
        return 0;
    }
    if (length_bytes < header)
        return 0;
    if (!pdu_header_digest_ok(&pdu, bytes, digests)) {
        connection_end(c, "header digest error");
        return 0;
    }
    return has_place(c, &pdu) ? begin_data(c, &pdu, header) : take_whole(c, &pdu, bytes, length_bytes);
}

static void placed(void *arg, size_t length_bytes)
{
    struct connection *c = arg;

    c->placed_bytes += length_bytes;
    if (c->placed_bytes < c->pdu.data_bytes)
        return;
    if (pdu_trailer_bytes(&c->pdu, c->session->digests))
        c->frame = FRAME_TRAILER;
    else
        end_data(c);
}

static size_t take_data(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    size_t step = MIN(length_bytes, c->pdu.data_bytes - c->placed_bytes);

    if (c->place)
        memcpy(c->place + c->placed_bytes, bytes, step);
    placed(c, step);
    return step;
}

static size_t take_trailer(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    size_t whole = pdu_trailer_bytes(&c->pdu, c->session->digests);
    size_t step = MIN(length_bytes, whole - c->trailer_bytes);

    memcpy(c->trailer + c->trailer_bytes, bytes, step);
    c->trailer_bytes += step;
    if (c->trailer_bytes == whole)
        end_data(c);
    return step;
}

static size_t on_input(void *arg, const uint8_t *bytes, size_t length_bytes)
{
    struct connection *c = arg;

    if (c->phase == PHASE_LEAVING)
        return length_bytes;
    if (c->phase == PHASE_WAITING || c->phase == PHASE_GONE)
        return 0;
    if (c->frame == FRAME_DATA)
        return take_data(c, bytes, length_bytes);
    if (c->frame == FRAME_TRAILER)
        return take_trailer(c, bytes, length_bytes);
    if (c->session && session_is_full(c->session)) {
        stream_set_reading(c->stream, false);
        return 0;
    }
    return length_bytes < PDU_HEADER_BYTES ? 0 : take_pdu(c, bytes, length_bytes);
}

static struct iovec on_place(void *arg)
{
    struct connection *c = arg;

    if (c->phase != PHASE_FULL || c->frame != FRAME_DATA || !c->place)
        return (struct iovec){0};
    return (struct iovec){c->place + c->placed_bytes, c->pdu.data_bytes - c->placed_bytes};
}

static void on_ready(void *arg)
{
    connection_go_on(arg);
}

static void on_end(void *arg, int error)
{
    connection_end(arg, error ? strerror(-error) : "the initiator closed the connection");
}

const struct stream_handler connection_handler = {on_input, on_place, placed, on_ready, on_end};
