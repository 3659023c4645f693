#include "dhcp/config.h"

#include "fleet/address.h"

static bool is_host_of(const struct inet_network *network, uint32_t address)
{
    return inet_network_contains(network, address) && address != network->address &&
           address != inet_broadcast(network);
}

static int check_subnet(const struct dhcp_subnet *subnet, const char *name, struct error *error)
{
    bool has_range = subnet->range_first || subnet->range_last;

    if (has_range && (!is_host_of(&subnet->network, subnet->range_first) ||
                      !is_host_of(&subnet->network, subnet->range_last)))
        return error_set(error, -EINVAL, "dhcp: the range of %s reaches out of it", name);
    if (has_range && subnet->range_first > subnet->range_last)
        return error_set(error, -EINVAL, "dhcp: the range of %s ends before it begins", name);
    if (has_range && subnet->range_last - subnet->range_first >= ADDRESS_RANGE_MAX)
        return error_set(error, -EINVAL, "dhcp: the range of %s has more than %d addresses", name, ADDRESS_RANGE_MAX);
    if (subnet->router && !is_host_of(&subnet->network, subnet->router))
        return error_set(error, -EINVAL, "dhcp: the router of %s is not in it", name);
    if (subnet->lease_seconds < DHCP_LEASE_SECONDS_MIN)
        return error_set(error, -EINVAL, "dhcp: lease_seconds of %s is below %d", name, DHCP_LEASE_SECONDS_MIN);
    return 0;
}

static bool overlap(const struct inet_network *a, const struct inet_network *b)
{
    return inet_network_contains(a, b->address) || inet_network_contains(b, a->address);
}

int dhcp_config_check(const struct dhcp_config *config, struct error *error)
{
    char name[INET_TEXT_SIZE];

    CHECK(config->subnet_count <= DHCP_SUBNETS_MAX);
    for (size_t i = 0; i < config->subnet_count; i++) {
        const struct dhcp_subnet *subnet = &config->subnets[i];
        inet_format(name, subnet->network.address);
        for (size_t j = 0; j < i; j++) {
            if (overlap(&subnet->network, &config->subnets[j].network))
                return error_set(error, -EINVAL, "dhcp: the subnet %s overlaps another one", name);
        }
        int r = check_subnet(subnet, name, error);
        if (r < 0)
            return r;
    }
    return 0;
}

const struct dhcp_subnet *dhcp_config_subnet(const struct dhcp_config *config, uint32_t address)
{
    for (size_t i = 0; i < config->subnet_count; i++) {
        if (inet_network_contains(&config->subnets[i].network, address))
            return &config->subnets[i];
    }
    return NULL;
}
