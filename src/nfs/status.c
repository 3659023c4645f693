#include "nfs/server_parts.h"

static const struct {
    int error;
    enum nfs4_status status;
} status_of_errno[] = {
    {EPERM, NFS4ERR_PERM},         {ENOENT, NFS4ERR_NOENT},       {EIO, NFS4ERR_IO},
    {ENXIO, NFS4ERR_NXIO},         {EACCES, NFS4ERR_ACCESS},      {EEXIST, NFS4ERR_EXIST},
    {EXDEV, NFS4ERR_XDEV},         {ENOTDIR, NFS4ERR_NOTDIR},     {EISDIR, NFS4ERR_ISDIR},
    {EINVAL, NFS4ERR_INVAL},       {EFBIG, NFS4ERR_FBIG},         {ENOSPC, NFS4ERR_NOSPC},
    {EROFS, NFS4ERR_ROFS},         {EMLINK, NFS4ERR_MLINK},       {ENAMETOOLONG, NFS4ERR_NAMETOOLONG},
    {ENOTEMPTY, NFS4ERR_NOTEMPTY}, {EDQUOT, NFS4ERR_DQUOT},       {ESTALE, NFS4ERR_STALE},
    {EBADF, NFS4ERR_BADHANDLE},    {EOPNOTSUPP, NFS4ERR_NOTSUPP}, {ENFILE, NFS4ERR_DELAY},
    {EMFILE, NFS4ERR_DELAY},       {ENOMEM, NFS4ERR_DELAY},       {EAGAIN, NFS4ERR_DELAY},
};

enum nfs4_status nfs_status_of(int r)
{
    if (r >= 0)
        return NFS4_OK;
    for (size_t i = 0; i < ARRAY_SIZE(status_of_errno); i++) {
        if (status_of_errno[i].error == -r)
            return status_of_errno[i].status;
    }
    return NFS4ERR_SERVERFAULT;
}
