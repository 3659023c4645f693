#include "catalog/presence.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sys/socket.h>

struct entry {
    uint32_t address;
    struct mac mac;
    uint64_t learned; /* a counter, for forgetting the oldest */
};

struct presence {
    pthread_mutex_t lock; /* guards all below */
    struct entry *entries;
    size_t count;
    size_t max_entries;
    uint64_t counter;
};

struct presence *presence_new(size_t max_entries)
{
    struct presence *presence = xcalloc(1, sizeof(*presence));

    pthread_mutex_init(&presence->lock, NULL);
    presence->entries = xcalloc(max_entries, sizeof(*presence->entries));
    presence->max_entries = max_entries;
    return presence;
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    pthread_mutex_destroy(&presence->lock);
    free(presence->entries);
    free(presence);
}

static void remove_matching(struct presence *presence, uint32_t address, const struct mac *mac)
{
    size_t kept = 0;

    for (size_t i = 0; i < presence->count; i++) {
        const struct entry *entry = &presence->entries[i];
        if (entry->address != address && !(mac && mac_equal(&entry->mac, mac)))
            presence->entries[kept++] = *entry;
    }
    presence->count = kept;
}

static struct entry *room_for_one(struct presence *presence)
{
    struct entry *oldest = &presence->entries[0];

    if (presence->count < presence->max_entries)
        return &presence->entries[presence->count++];
    for (size_t i = 1; i < presence->count; i++) {
        if (presence->entries[i].learned < oldest->learned)
            oldest = &presence->entries[i];
    }
    return oldest;
}

void presence_learn(struct presence *presence, uint32_t address, const struct mac *mac)
{
    pthread_mutex_lock(&presence->lock);
    remove_matching(presence, address, mac);
    *room_for_one(presence) = (struct entry){.address = address, .mac = *mac, .learned = ++presence->counter};
    pthread_mutex_unlock(&presence->lock);
}

void presence_forget(struct presence *presence, uint32_t address)
{
    pthread_mutex_lock(&presence->lock);
    remove_matching(presence, address, NULL);
    pthread_mutex_unlock(&presence->lock);
}

static bool learned_mac(struct presence *presence, uint32_t address, struct mac *mac)
{
    bool found = false;

    pthread_mutex_lock(&presence->lock);
    for (size_t i = 0; i < presence->count && !found; i++) {
        found = presence->entries[i].address == address;
        if (found)
            *mac = presence->entries[i].mac;
    }
    pthread_mutex_unlock(&presence->lock);
    return found;
}

uint32_t presence_address(struct presence *presence, const struct mac *mac)
{
    uint32_t address = 0;

    pthread_mutex_lock(&presence->lock);
    for (size_t i = 0; i < presence->count; i++) {
        if (mac_equal(&presence->entries[i].mac, mac))
            address = presence->entries[i].address;
    }
    pthread_mutex_unlock(&presence->lock);
    return address;
}

/* The answer of RTM_GETNEIGH to a dump: whether one of its entries is `address` with a usable hardware address. */
static bool find_neighbour(const struct nlmsghdr *message, size_t length, uint32_t address, struct mac *mac, bool *end)
{
    for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
        if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
            *end = true;
            return false;
        }
        const struct ndmsg *neighbour = NLMSG_DATA(message);
        const struct rtattr *attribute = (const struct rtattr *)((const char *)neighbour + NLMSG_ALIGN(sizeof(*neighbour)));
        size_t left = NLMSG_PAYLOAD(message, sizeof(*neighbour));
        bool same_address = false;
        bool has_mac = false;
        for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
            if (attribute->rta_type == NDA_DST && RTA_PAYLOAD(attribute) == sizeof(uint32_t)) {
                uint32_t destination;
                memcpy(&destination, RTA_DATA(attribute), sizeof(destination));
                same_address = ntohl(destination) == address;
            } else if (attribute->rta_type == NDA_LLADDR && RTA_PAYLOAD(attribute) == MAC_BYTES) {
                memcpy(mac->bytes, RTA_DATA(attribute), MAC_BYTES);
                has_mac = true;
            }
        }
        if (same_address && has_mac && !(neighbour->ndm_state & (NUD_FAILED | NUD_INCOMPLETE)))
            return true;
    }
    return false;
}

static bool neighbour_mac(uint32_t address, struct mac *mac)
{
    enum { REPLY_BYTES = 32768 };
    struct {
        struct nlmsghdr header;
        struct ndmsg neighbour;
    } request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETNEIGH, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .neighbour = {.ndm_family = AF_INET},
    };
    CLEANUP_FREE void *reply = malloc(REPLY_BYTES);
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool end = false;
    struct mac found;

    if (fd < 0 || !reply || send(fd, &request, sizeof(request), 0) < 0)
        return false;
    while (!end) {
        ssize_t length = recv(fd, reply, REPLY_BYTES, 0);
        if (length <= 0)
            return false;
        if (find_neighbour(reply, (size_t)length, address, &found, &end)) {
            *mac = found;
            return true;
        }
    }
    return false;
}

bool presence_mac(struct presence *presence, uint32_t address, struct mac *mac)
{
    return learned_mac(presence, address, mac) || neighbour_mac(address, mac);
}
