/*
 * Which machine is at which address now: from leases given or overheard, else from the kernel's neighbour table.
 *
 * A boot file request and an iSCSI login carry only an address; this says whose it is. Safe from any thread. It knows
 * hardware addresses only; what machine that is, the catalog says.
 */
#pragma once

#include "base/inet.h"
#include "base/mac.h"

struct presence;

/* At most `max_entries` are remembered; the oldest are forgotten first. */
struct presence *presence_new(size_t max_entries);
void presence_free(struct presence *presence);

/* DHCP gave (or overheard) `address` for `mac`. Replaces what was known of either. */
void presence_learn(struct presence *presence, uint32_t address, const struct mac *mac);
void presence_forget(struct presence *presence, uint32_t address);
/* False if nobody knows. Looks at what was learned first, then at the kernel's neighbour table (a short system call,
 * no waiting). */
bool presence_mac(struct presence *presence, uint32_t address, struct mac *mac);
/* The address last learned for `mac`; 0 if none. */
uint32_t presence_address(struct presence *presence, const struct mac *mac);
