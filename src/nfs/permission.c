#include "nfs/permission.h"

#include "nfs/nfs4_protocol.h"

#include <sys/stat.h>

bool permission_in_group(uint32_t gid, const struct rpc_credential *credential)
{
    for (uint32_t i = 0; i < credential->group_count; i++) {
        if (credential->groups[i] == gid)
            return true;
    }
    return credential->gid == gid;
}

bool permission_is_owner(const struct folder_attributes *a, const struct rpc_credential *credential)
{
    return credential->uid == 0 || credential->uid == a->uid;
}

static uint32_t permission_of_root(const struct folder_attributes *a)
{
    bool executable = a->kind == FOLDER_DIRECTORY || a->mode & 0111;

    return MAY_READ | MAY_WRITE | (executable ? MAY_EXECUTE : 0);
}

uint32_t permission_of(const struct folder_attributes *a, const struct rpc_credential *credential)
{
    if (credential->uid == 0)
        return permission_of_root(a);
    if (credential->uid == a->uid)
        return a->mode >> 6 & 7;
    if (permission_in_group(a->gid, credential))
        return a->mode >> 3 & 7;
    return a->mode & 7;
}

static bool may_set_times(const struct folder_attributes *a, const struct rpc_credential *credential,
                          const struct folder_change *change)
{
    bool given = change->set_accessed == FOLDER_TIME_GIVEN || change->set_modified == FOLDER_TIME_GIVEN;
    bool any = given || change->set_accessed == FOLDER_TIME_NOW || change->set_modified == FOLDER_TIME_NOW;

    if (!any || permission_is_owner(a, credential))
        return true;
    return !given && permission_of(a, credential) & MAY_WRITE;
}

int permission_to_change(const struct folder_attributes *a, const struct rpc_credential *credential,
                         const struct folder_change *change, bool writable)
{
    bool owner = permission_is_owner(a, credential);

    if (change->set_uid && credential->uid != 0 && !(owner && change->uid == a->uid))
        return -EPERM;
    if (change->set_gid && credential->uid != 0 && !(owner && permission_in_group(change->gid, credential)))
        return -EPERM;
    if (change->set_mode && !owner)
        return -EPERM;
    if (change->set_size && !writable && !(permission_of(a, credential) & MAY_WRITE))
        return -EACCES;
    return may_set_times(a, credential, change) ? 0 : -EPERM;
}

uint32_t permission_access_bits(const struct folder_attributes *a, const struct rpc_credential *credential)
{
    uint32_t may = permission_of(a, credential);
    bool directory = a->kind == FOLDER_DIRECTORY;
    uint32_t bits = 0;

    if (may & MAY_READ)
        bits |= ACCESS4_READ;
    if (may & MAY_WRITE)
        bits |= ACCESS4_MODIFY | ACCESS4_EXTEND | (directory ? ACCESS4_DELETE : 0);
    if (may & MAY_EXECUTE)
        bits |= directory ? ACCESS4_LOOKUP : ACCESS4_EXECUTE;
    return bits;
}
