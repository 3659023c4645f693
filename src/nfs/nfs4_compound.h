/*
 * NFS version 4.1 (RFC 8881): the procedure COMPOUND.
 */
#pragma once

#include "nfs/server_parts.h"

/* Appends the results to `out`. False if the arguments cannot be decoded at all. */
bool nfs4_compound(const struct nfs_request *request, struct reader *in, struct writer *out);
