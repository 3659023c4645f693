/*
 * NFS version 3 (RFC 1813).
 *
 * No state but the file system's own. Answers carry the attributes after an operation and none from before
 * it, which the protocol leaves to the server.
 */
#pragma once

#include "nfs/server_parts.h"

enum { NFS3_VERSION = 3 };

/* The results of one procedure, or what is wrong with the call. */
enum rpc_accept nfs3_answer(const struct nfs_request *request, struct reader *in, struct writer *out);
/* Whether doing it twice is another thing than doing it once. */
bool nfs3_is_idempotent(uint32_t procedure);
