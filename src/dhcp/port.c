#include "dhcp/port.h"

#include "dhcp/frame.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void dhcp_port_init(struct dhcp_port *port)
{
    *port = (struct dhcp_port){.server_fd = -1, .boot_fd = -1, .frame_fd = -1};
}

void dhcp_port_close(struct dhcp_port *port)
{
    cleanup_fd(&port->server_fd);
    cleanup_fd(&port->boot_fd);
    cleanup_fd(&port->frame_fd);
    dhcp_port_init(port);
}

/* ---- opening ---- */

static int open_udp(struct dhcp_port *port, uint16_t number, int *fd, struct error *error)
{
    struct datagram_options options = {.interface = port->name, .port = number, .broadcast = true};
    int r = datagram_open(&options, fd);

    if (r == -EADDRINUSE)
        return error_set(error, r, "%s: UDP port %u is in use: another DHCP server runs on this host (dnsmasq?)",
                         port->name, number);
    if (r < 0)
        return error_set_errno(error, r, "%s: UDP port %u", port->name, number);
    return 0;
}

/* Lets through what servers send to clients: IPv4, UDP, no later fragment, destination port 68. */
static struct sock_filter client_port_only[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 8),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT_PORT, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0xffff),
    BPF_STMT(BPF_RET | BPF_K, 0),
};

static int open_frames(const struct dhcp_port *port, int *fd)
{
    struct sock_fprog filter = {ARRAY_SIZE(client_port_only), client_port_only};
    struct sockaddr_ll local = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = port->index};
    /* Protocol 0 hears nothing, until the filter stands. */
    CLEANUP_FD int opened = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (opened < 0 || setsockopt(opened, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
        bind(opened, (struct sockaddr *)&local, sizeof(local)) < 0)
        return -errno;
    *fd = TAKE_FD(opened);
    return 0;
}

static bool ask_interface(const struct dhcp_port *port, unsigned long question, struct ifreq *answer)
{
    *answer = (struct ifreq){0};
    COPY_STRING(answer->ifr_name, port->name);
    return ioctl(port->server_fd, question, answer) == 0;
}

static uint32_t address_in(const struct sockaddr *address)
{
    struct sockaddr_in in;

    memcpy(&in, address, sizeof(in));
    return inet_of_sockaddr(&in);
}

static bool read_mac(struct dhcp_port *port)
{
    struct ifreq answer;

    if (!ask_interface(port, SIOCGIFHWADDR, &answer) || answer.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return false;
    memcpy(port->mac.bytes, answer.ifr_hwaddr.sa_data, MAC_BYTES);
    return true;
}

bool dhcp_port_refresh(struct dhcp_port *port)
{
    struct ifreq answer;

    port->address = ask_interface(port, SIOCGIFADDR, &answer) ? address_in(&answer.ifr_addr) : 0;
    if (port->address && ask_interface(port, SIOCGIFNETMASK, &answer))
        port->prefix_length = (uint8_t)__builtin_popcount(address_in(&answer.ifr_netmask));
    return port->address && read_mac(port);
}

int dhcp_port_open(struct dhcp_port *port, const char *name, struct error *error)
{
    if (!COPY_STRING(port->name, name) || !(port->index = (int)if_nametoindex(name)))
        return error_set(error, -ENODEV, "interfaces: there is no interface %s (ip link shows them)", name);
    int r = open_udp(port, DHCP_SERVER_PORT, &port->server_fd, error);
    if (r == 0)
        r = open_udp(port, DHCP_BOOT_PORT, &port->boot_fd, error);
    if (r < 0)
        return r;
    if (!read_mac(port))
        return error_set(error, -EPROTONOSUPPORT, "interfaces: %s is no Ethernet interface", name);
    r = open_frames(port, &port->frame_fd);
    if (r < 0)
        return error_set_errno(error, r, "%s: raw frames for clients without an address", name);
    dhcp_port_refresh(port);
    return 0;
}

/* ---- sending ---- */

static int send_bytes(const struct dhcp_port *port, const void *bytes, size_t length_bytes)
{
    return send(port->frame_fd, bytes, length_bytes, 0) < 0 ? -errno : 0;
}

static int send_frame(const struct dhcp_port *port, const struct dhcp_outgoing *outgoing)
{
    bool broadcast = outgoing->route == DHCP_ROUTE_BROADCAST;
    struct dhcp_frame frame = {
        .from_mac = port->mac,
        .to_mac = broadcast ? dhcp_everyone : outgoing->to_mac,
        .from = port->address,
        .to = broadcast ? INADDR_BROADCAST : outgoing->yiaddr,
        .from_port = DHCP_SERVER_PORT,
        .to_port = DHCP_CLIENT_PORT,
        .payload = outgoing->bytes,
        .payload_bytes = outgoing->length_bytes,
    };
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];
    ssize_t length_bytes = dhcp_frame_encode(&frame, bytes);

    return length_bytes < 0 ? (int)length_bytes : send_bytes(port, bytes, (size_t)length_bytes);
}

static int announce(const struct dhcp_port *port)
{
    uint8_t bytes[DHCP_ANNOUNCEMENT_BYTES];

    dhcp_frame_announce(bytes, &port->mac, port->address);
    return send_bytes(port, bytes, sizeof(bytes));
}

int dhcp_port_send(const struct dhcp_port *port, const struct dhcp_outgoing *outgoing)
{
    int fd = outgoing->from_boot_port ? port->boot_fd : port->server_fd;
    bool has_address = outgoing->route == DHCP_ROUTE_RELAY || outgoing->route == DHCP_ROUTE_ADDRESS;
    int r;

    if (has_address)
        r = datagram_send(fd, outgoing->bytes, outgoing->length_bytes, &outgoing->to, port->address, port->index);
    else
        r = send_frame(port, outgoing);
    if (r == 0 && outgoing->announce_self)
        r = announce(port);
    return r;
}
