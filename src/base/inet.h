/*
 * IPv4 addresses and networks as numbers in host byte order, so that ranges and masks are plain arithmetic.
 */
#pragma once

#include "base/base.h"

#include <netinet/in.h>

enum { INET_TEXT_SIZE = 16 };

struct inet_network {
    uint32_t address; /* host bits are zero */
    uint8_t prefix_length;
};

/* Dotted quad only. */
bool inet_parse(const char *text, uint32_t *address);
const char *inet_format(char to[INET_TEXT_SIZE], uint32_t address);
/* "192.168.20.0/24"; host bits must be zero. */
bool inet_network_parse(const char *text, struct inet_network *network);
uint32_t inet_mask(uint8_t prefix_length);
bool inet_network_contains(const struct inet_network *network, uint32_t address);
uint32_t inet_broadcast(const struct inet_network *network);

struct sockaddr_in inet_sockaddr(uint32_t address, uint16_t port);
uint32_t inet_of_sockaddr(const struct sockaddr_in *sockaddr);
uint16_t inet_port_of_sockaddr(const struct sockaddr_in *sockaddr);
