/*
 * bare: the least that a server can do for the messages of the load generator.
 *
 * Takes what one receive brought, answers each message with one of the right length and sends all answers at once. It
 * has no disk, no session and no check: what it reaches is the ceiling for anything that speaks over a socket.
 */
#include "iscsi/pdu.h"

#include "base/inet.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 64, INPUT_BYTES = 1 << 19, OUTPUT_BYTES = 1 << 23, WINDOW = 128 };

struct peer {
    int fd;
    bool logged_in;
    uint8_t input[INPUT_BYTES];
    size_t input_bytes;
    uint8_t output[OUTPUT_BYTES];
    size_t output_start, output_bytes;
    size_t data_left; /* of the PDU that is coming */
    struct pdu pdu;
    uint32_t stat_sn;
};

static const char login_answer[] = "MaxRecvDataSegmentLength=262144\0FirstBurstLength=1048576\0MaxBurstLength=1048576\0"
                                   "InitialR2T=No\0ImmediateData=Yes";

static void put_answer(struct peer *peer, struct pdu *answer, uint32_t data_bytes)
{
    CHECK(peer->output_bytes + PDU_HEADER_BYTES + data_bytes <= OUTPUT_BYTES);
    answer->task_tag = peer->pdu.task_tag;
    answer->data_bytes = data_bytes;
    answer->words[WORD_STAT_SN] = peer->stat_sn++;
    answer->words[WORD_EXP_CMD_SN] = peer->pdu.words[WORD_CMD_SN] + 1;
    answer->words[WORD_MAX_CMD_SN] = peer->pdu.words[WORD_CMD_SN] + WINDOW;
    pdu_encode(answer, peer->output + peer->output_bytes);
    peer->output_bytes += PDU_HEADER_BYTES + data_bytes;
}

static void answer_login(struct peer *peer)
{
    struct pdu answer = {.opcode = PDU_LOGIN_RESPONSE, .flags = PDU_TRANSIT | 1 << 2 | 3};
    size_t at = peer->output_bytes + PDU_HEADER_BYTES, length = sizeof(login_answer);

    memset(peer->output + at, 0, length + 3);
    memcpy(peer->output + at, login_answer, length);
    put_answer(peer, &answer, (uint32_t)length);
    peer->output_bytes += pdu_padding_bytes(length);
    peer->logged_in = true;
}

/* The data is whatever lies in the buffer. */
static void answer_read(struct peer *peer)
{
    struct pdu answer = {.opcode = PDU_DATA_IN, .flags = PDU_FINAL | PDU_STATUS};

    put_answer(peer, &answer, peer->pdu.words[WORD_EXPECTED_LENGTH]);
}

static void answer_write(struct peer *peer)
{
    struct pdu answer = {.opcode = PDU_SCSI_RESPONSE, .flags = PDU_FINAL};

    put_answer(peer, &answer, 0);
}

static void answer(struct peer *peer)
{
    if (peer->pdu.opcode == PDU_LOGIN_REQUEST)
        answer_login(peer);
    else if (peer->pdu.flags & PDU_READ && peer->pdu.opcode == PDU_SCSI_COMMAND)
        answer_read(peer);
    else if (peer->pdu.flags & PDU_FINAL)
        answer_write(peer);
}

static size_t take(struct peer *peer, const uint8_t *bytes, size_t length_bytes)
{
    if (peer->data_left) {
        size_t step = MIN(peer->data_left, length_bytes);
        peer->data_left -= step;
        if (!peer->data_left)
            answer(peer);
        return step;
    }
    if (length_bytes < PDU_HEADER_BYTES)
        return 0;
    peer->pdu = pdu_decode(bytes);
    peer->data_left = peer->pdu.data_bytes + pdu_padding_bytes(peer->pdu.data_bytes);
    if (!peer->data_left)
        answer(peer);
    return PDU_HEADER_BYTES;
}

/* False at the end. */
static bool send_output(struct peer *peer)
{
    while (peer->output_start < peer->output_bytes) {
        ssize_t sent = send(peer->fd, peer->output + peer->output_start, peer->output_bytes - peer->output_start,
                            MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        peer->output_start += (size_t)sent;
    }
    peer->output_start = peer->output_bytes = 0;
    return true;
}

static bool receive(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->input + peer->input_bytes, INPUT_BYTES - peer->input_bytes, 0);

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    size_t length = peer->input_bytes + (size_t)got, used = 0, step;
    while (used < length && (step = take(peer, peer->input + used, length - used)))
        used += step;
    peer->input_bytes = length - used;
    memmove(peer->input, peer->input + used, peer->input_bytes);
    return send_output(peer);
}

static void watch(int epoll, struct peer *peer, int operation)
{
    bool wants = peer->output_start < peer->output_bytes;
    struct epoll_event event = {.events = wants ? EPOLLOUT : EPOLLIN, .data.ptr = peer};

    CHECK(epoll_ctl(epoll, operation, peer->fd, &event) == 0);
}

static void accept_peer(int epoll, int listener)
{
    struct peer *peer = xcalloc(1, sizeof(*peer));
    int on = 1;

    peer->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(peer->fd >= 0);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(epoll, peer, EPOLL_CTL_ADD);
}

static void serve(int epoll, struct peer *peer, unsigned events)
{
    bool wanted = peer->output_start < peer->output_bytes;
    bool goes_on = events & EPOLLOUT ? send_output(peer) : receive(peer);

    if (!goes_on) {
        close(peer->fd);
        free(peer);
    } else if (wanted != (peer->output_start < peer->output_bytes)) {
        watch(epoll, peer, EPOLL_CTL_MOD);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in local = inet_sockaddr(0, (uint16_t)(argc > 1 ? atoi(argv[1]) : 3260));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, events[CONNECTIONS_MAX];

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&local, sizeof(local)) < 0 || listen(listener, CONNECTIONS_MAX) < 0) {
        perror("bare: cannot listen");
        return 1;
    }
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    for (;;) {
        int count = epoll_wait(epoll, events, CONNECTIONS_MAX, -1);
        for (int e = 0; e < count; e++) {
            if (events[e].data.ptr)
                serve(epoll, events[e].data.ptr, events[e].events);
            else
                accept_peer(epoll, listener);
        }
    }
}
