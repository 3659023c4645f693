#include "base/inet.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>

bool inet_parse(const char *text, uint32_t *address)
{
    struct in_addr parsed;

    if (inet_pton(AF_INET, text, &parsed) != 1)
        return false;
    *address = ntohl(parsed.s_addr);
    return true;
}

const char *inet_format(char to[INET_TEXT_SIZE], uint32_t address)
{
    snprintf(to, INET_TEXT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
             address & 0xff);
    return to;
}

bool inet_network_parse(const char *text, struct inet_network *network)
{
    char address[INET_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    uint64_t prefix_length;
    uint32_t parsed;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (!inet_parse(address, &parsed) || !parse_u64(slash + 1, 32, &prefix_length) ||
        (parsed & ~inet_mask((uint8_t)prefix_length)))
        return false;
    *network = (struct inet_network){parsed, (uint8_t)prefix_length};
    return true;
}

uint32_t inet_mask(uint8_t prefix_length)
{
    CHECK(prefix_length <= 32);
    return prefix_length ? UINT32_MAX << (32 - prefix_length) : 0;
}

bool inet_network_contains(const struct inet_network *network, uint32_t address)
{
    return (address & inet_mask(network->prefix_length)) == network->address;
}

uint32_t inet_broadcast(const struct inet_network *network)
{
    return network->address | ~inet_mask(network->prefix_length);
}

struct sockaddr_in inet_sockaddr(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

uint32_t inet_of_sockaddr(const struct sockaddr_in *sockaddr)
{
    return ntohl(sockaddr->sin_addr.s_addr);
}

uint16_t inet_port_of_sockaddr(const struct sockaddr_in *sockaddr)
{
    return ntohs(sockaddr->sin_port);
}
