/*
 * Who may do what, by the owner and mode that the machine itself sees. Pure.
 *
 * The credential is a claim (AUTH_SYS); what keeps machines apart is the address, not this.
 */
#pragma once

#include "folder/folder.h"
#include "rpc/call.h"

enum { MAY_READ = 4, MAY_WRITE = 2, MAY_EXECUTE = 1 };

/* Which of the three are allowed. */
uint32_t permission_of(const struct folder_attributes *attributes, const struct rpc_credential *credential);
bool permission_is_owner(const struct folder_attributes *attributes, const struct rpc_credential *credential);
bool permission_in_group(uint32_t gid, const struct rpc_credential *credential);
/* 0, -EPERM or -EACCES. `writable`: whoever asks has it open for writing. */
int permission_to_change(const struct folder_attributes *attributes, const struct rpc_credential *credential,
                         const struct folder_change *change, bool writable);
/* The bits of ACCESS (the same in versions 3 and 4). */
uint32_t permission_access_bits(const struct folder_attributes *attributes,
                                const struct rpc_credential *credential);
