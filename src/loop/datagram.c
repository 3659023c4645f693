#include "loop/datagram.h"

#include <sys/socket.h>

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int prepare(int fd, const struct datagram_options *options)
{
    int r = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);

    if (r == 0 && options->reuse)
        r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && options->broadcast)
        r = set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (r == 0 && options->interface &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->interface, (socklen_t)strlen(options->interface)) < 0)
        r = -errno;
    return r;
}

int datagram_open(const struct datagram_options *options, int *fd)
{
    struct sockaddr_in local = inet_sockaddr(options->address, options->port);
    CLEANUP_FD int opened = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (opened < 0)
        return -errno;
    int r = prepare(opened, options);
    if (r < 0)
        return r;
    if (bind(opened, (struct sockaddr *)&local, sizeof(local)) < 0)
        return -errno;
    *fd = TAKE_FD(opened);
    return 0;
}

static void read_pktinfo(struct msghdr *message, struct datagram_origin *origin)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
            continue;
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        origin->destination = ntohl(info.ipi_addr.s_addr);
        origin->interface_index = info.ipi_ifindex;
    }
}

ssize_t datagram_receive(int fd, void *buffer, size_t capacity_bytes, struct datagram_origin *origin)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct iovec iov = {buffer, capacity_bytes};
    struct msghdr message = {
        .msg_name = &origin->source,
        .msg_namelen = sizeof(origin->source),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };

    *origin = (struct datagram_origin){0};
    ssize_t received = recvmsg(fd, &message, 0);
    if (received < 0)
        return -errno;
    if (message.msg_flags & MSG_TRUNC)
        return -EMSGSIZE;
    read_pktinfo(&message, origin);
    return received;
}

static void write_pktinfo(struct msghdr *message, uint32_t source, int interface_index)
{
    struct in_pktinfo info = {.ipi_ifindex = interface_index, .ipi_spec_dst.s_addr = htonl(source)};
    struct cmsghdr *c = CMSG_FIRSTHDR(message);

    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(c), &info, sizeof(info));
}

int datagram_send(int fd, const void *bytes, size_t length_bytes, const struct sockaddr_in *to, uint32_t source,
                  int interface_index)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct iovec iov = {(void *)bytes, length_bytes};
    struct msghdr message = {
        .msg_name = (void *)to,
        .msg_namelen = sizeof(*to),
        .msg_iov = &iov,
        .msg_iovlen = 1,
    };

    if (source || interface_index) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        write_pktinfo(&message, source, interface_index);
    }
    return sendmsg(fd, &message, 0) < 0 ? -errno : 0;
}

uint16_t datagram_port(int fd)
{
    struct sockaddr_in local;
    socklen_t length = sizeof(local);

    CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0);
    return inet_port_of_sockaddr(&local);
}
