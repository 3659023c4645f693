/*
 * Machines that fetch their boot files at the same time, as a Raspberry Pi does: one block after the other.
 *
 *   tftp-load SERVER FIRST-ADDRESS COUNT BLKSIZE FILE...
 *
 * Machine i speaks from FIRST-ADDRESS + i. A line for each: its number, milliseconds, bytes, packets it sent again.
 */
#include "base/base.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/inet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MACHINES_MAX = 256, PACKET_MAX = 2048, PATIENCE_MS = 2000, GIVE_UP_MS = 300 * 1000, TFTP_PORT = 69 };

struct client {
    int fd;
    int file;
    uint32_t address;
    bool is_open;  /* the server's port is known */
    uint16_t next; /* the block that is missing */
    uint8_t packet[PACKET_MAX]; /* what was sent last */
    size_t packet_bytes;
    struct sockaddr_in to;
    uint64_t sent_ms;
    uint64_t ended_ms;
    uint64_t bytes;
    unsigned repeats;
};

static struct client clients[MACHINES_MAX];
static struct sockaddr_in server;
static char **files;
static int file_count, poll_fd, left;
static const char *blksize;
static uint64_t begun_ms;

static void send_packet(struct client *c)
{
    c->sent_ms = clock_monotonic_ms();
    if (sendto(c->fd, c->packet, c->packet_bytes, 0, (struct sockaddr *)&c->to, sizeof(c->to)) < 0)
        perror("tftp-load: send");
}

static void begin_file(struct client *c)
{
    const struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(c->address)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    struct writer w = writer_over(c->packet, sizeof(c->packet));

    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(c->fd >= 0 && bind(c->fd, (const struct sockaddr *)&own, sizeof(own)) == 0);
    CHECK(epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0);
    writer_be16(&w, 1);
    writer_cstring(&w, files[c->file]);
    writer_cstring(&w, "octet");
    writer_cstring(&w, "tsize");
    writer_cstring(&w, "0");
    writer_cstring(&w, "blksize");
    writer_cstring(&w, blksize);
    c->packet_bytes = w.offset;
    c->to = server;
    c->is_open = false;
    c->next = 1;
    send_packet(c);
}

static void end_file(struct client *c)
{
    close(c->fd);
    if (++c->file < file_count) {
        begin_file(c);
        return;
    }
    c->ended_ms = clock_monotonic_ms() - begun_ms;
    left--;
}

static void acknowledge(struct client *c, uint16_t block)
{
    struct writer w = writer_over(c->packet, sizeof(c->packet));

    writer_be16(&w, 4);
    writer_be16(&w, block);
    c->packet_bytes = w.offset;
    send_packet(c);
}

static void take(struct client *c, const uint8_t *bytes, size_t length)
{
    struct reader r = reader_over(bytes, length);
    uint16_t opcode = reader_be16(&r);
    uint16_t block = opcode == 6 ? 0 : reader_be16(&r);

    if (opcode == 5) {
        fprintf(stderr, "tftp-load: %s: %.*s\n", files[c->file], (int)reader_left(&r), bytes + r.offset);
        exit(1);
    }
    if (opcode == 6 && c->next == 1) {
        acknowledge(c, 0);
    } else if (opcode == 3 && block == c->next) {
        size_t content = reader_left(&r);
        c->bytes += content;
        c->next++;
        acknowledge(c, block);
        if (content < (size_t)atoi(blksize))
            end_file(c);
    }
}

static void receive(struct client *c)
{
    uint8_t bytes[PACKET_MAX];
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof(from);
    ssize_t length = recvfrom(c->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_bytes);

    if (length < 4)
        return;
    if (!c->is_open) {
        c->is_open = true;
        c->to = from;
    }
    if (from.sin_port == c->to.sin_port)
        take(c, bytes, (size_t)length);
}

static void repeat_where_silent(int count)
{
    uint64_t now_ms = clock_monotonic_ms();

    for (int i = 0; i < count; i++) {
        if (clients[i].file < file_count && now_ms - clients[i].sent_ms >= PATIENCE_MS) {
            clients[i].repeats++;
            send_packet(&clients[i]);
        }
    }
}

int main(int argc, char **argv)
{
    uint32_t address, first;
    int count = argc > 5 ? atoi(argv[3]) : 0;

    if (count < 1 || count > MACHINES_MAX || !inet_parse(argv[1], &address) || !inet_parse(argv[2], &first)) {
        fprintf(stderr, "usage: tftp-load SERVER FIRST-ADDRESS COUNT BLKSIZE FILE...\n");
        return 2;
    }
    server = inet_sockaddr(address, TFTP_PORT);
    blksize = argv[4];
    files = argv + 5;
    file_count = argc - 5;
    left = count;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    begun_ms = clock_monotonic_ms();
    for (int i = 0; i < count; i++) {
        clients[i].address = first + (uint32_t)i;
        begin_file(&clients[i]);
    }
    while (left > 0 && clock_monotonic_ms() - begun_ms < GIVE_UP_MS) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll_fd, events, 64, 100);
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
        repeat_where_silent(count);
    }
    for (int i = 0; i < count; i++)
        printf("%d %llu %llu %u\n", i, (unsigned long long)clients[i].ended_ms, (unsigned long long)clients[i].bytes,
               clients[i].repeats);
    return left ? 1 : 0;
}
