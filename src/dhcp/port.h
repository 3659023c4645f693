/*
 * One interface as DHCP uses it: three sockets, its present address, and ways to reach a client.
 */
#pragma once

#include "base/error.h"
#include "dhcp/answer.h"
#include "loop/datagram.h"

#include <net/if.h>

enum { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68, DHCP_BOOT_PORT = 4011 };

struct dhcp_port {
    char name[IFNAMSIZ];
    int index;
    struct mac mac;
    uint32_t address; /* as of the last refresh; 0: none */
    uint8_t prefix_length;
    int server_fd; /* UDP 67 */
    int boot_fd;   /* UDP 4011 */
    int frame_fd;  /* whole frames: out to clients without address, in from servers to clients */
};

/* One encoded reply and where it goes. Owns its bytes. */
struct dhcp_outgoing {
    enum dhcp_route route;
    struct sockaddr_in to; /* RELAY, ADDRESS, and an answer from port 4011 */
    struct mac to_mac;     /* HARDWARE */
    uint32_t yiaddr;       /* HARDWARE */
    bool from_boot_port;
    bool announce_self;
    size_t length_bytes;
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
};

/* A port in the state that `dhcp_port_close` accepts. */
void dhcp_port_init(struct dhcp_port *port);
int dhcp_port_open(struct dhcp_port *port, const char *name, struct error *error);
void dhcp_port_close(struct dhcp_port *port);

/* Looks up the interface's present address: a boot server's own address may change under it. False if it has none. */
bool dhcp_port_refresh(struct dhcp_port *port);

/* 0 or negative errno. */
int dhcp_port_send(const struct dhcp_port *port, const struct dhcp_outgoing *outgoing);
