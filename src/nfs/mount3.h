/*
 * MOUNT version 3 (RFC 1813 appendix I): from an export's path to its handle, for NFS version 3.
 *
 * Keeps no list of who has mounted what.
 */
#pragma once

#include "nfs/server_parts.h"

enum { MOUNT_PROGRAM = 100005, MOUNT3_VERSION = 3 };

enum rpc_accept mount3_answer(const struct nfs_request *request, struct reader *in, struct writer *out);
