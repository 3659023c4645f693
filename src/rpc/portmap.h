/*
 * The port mapper, version 2 (RFC 1833 3): tells which port a program of ours is at.
 *
 * Read only: nobody may register or remove anything, and calls are not forwarded (which would lend our
 * address to others).
 */
#pragma once

#include "rpc/call.h"

enum { PORTMAP_PROGRAM = 100000, PORTMAP_VERSION = 2, PORTMAP_PORT = 111 };

enum { PORTMAP_TCP = 6, PORTMAP_UDP = 17 };

struct portmap_entry {
    uint32_t program;
    uint32_t version;
    uint32_t protocol; /* as in IP */
    uint32_t port;
};

/* The results of one procedure, from its arguments. What it gives other than RPC_SUCCESS has no results. */
enum rpc_accept portmap_answer(const struct portmap_entry *entries, size_t count, uint32_t procedure,
                               struct reader *arguments, struct writer *results);
