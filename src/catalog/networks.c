#include "catalog/networks.h"

#include <ifaddrs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { MTU_DEFAULT_BYTES = 1500 };

static uint32_t read_mtu(const char *interface)
{
    CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};

    COPY_STRING(request.ifr_name, interface);
    if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0 || request.ifr_mtu <= 0)
        return MTU_DEFAULT_BYTES;
    return (uint32_t)request.ifr_mtu;
}

static struct inet_network network_of(const struct ifaddrs *entry)
{
    uint32_t address = inet_of_sockaddr((const struct sockaddr_in *)entry->ifa_addr);
    uint32_t mask = inet_of_sockaddr((const struct sockaddr_in *)entry->ifa_netmask);

    return (struct inet_network){.address = address & mask,
                                 .prefix_length = (uint8_t)__builtin_popcount(mask)};
}

static void refresh(struct networks *networks, uint64_t now_ms)
{
    struct ifaddrs *all = NULL;

    networks->known = true;
    networks->refreshed_ms = now_ms;
    if (getifaddrs(&all) < 0)
        return;
    networks->count = 0;
    for (const struct ifaddrs *entry = all; entry && networks->count < NETWORKS_MAX;
         entry = entry->ifa_next) {
        if (entry->ifa_addr && entry->ifa_netmask && entry->ifa_addr->sa_family == AF_INET &&
            strcmp(entry->ifa_name, networks->interface) == 0)
            networks->list[networks->count++] = network_of(entry);
    }
    freeifaddrs(all);
    networks->mtu_bytes = read_mtu(networks->interface);
}

static bool contain(const struct networks *networks, uint32_t address)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (inet_network_contains(&networks->list[i], address))
            return true;
    }
    return false;
}

bool networks_contain(struct networks *networks, uint32_t address, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - networks->refreshed_ms;

    if (!networks->known || age_ms > NETWORKS_AGE_MAX_MS)
        refresh(networks, now_ms);
    else if (!contain(networks, address) && age_ms > NETWORKS_AGE_MIN_MS)
        refresh(networks, now_ms);
    return contain(networks, address);
}

bool networks_is_broadcast(const struct networks *networks, uint32_t address)
{
    if (address == 0 || address == INADDR_BROADCAST || IN_MULTICAST(address))
        return true;
    for (size_t i = 0; i < networks->count; i++) {
        const struct inet_network *network = &networks->list[i];
        if (network->prefix_length < 31 && inet_broadcast(network) == address)
            return true;
    }
    return false;
}
