/*
 * The operations that choose the current object.
 */
#include "nfs/nfs4_parts.h"

#include <stdio.h>

enum nfs4_status nfs4_op_putrootfh(struct nfs4_compound *c)
{
    struct nfs_object root = view_root(c->view);

    nfs4_set_current(c, &root);
    return NFS4_OK;
}

/* Whether the object still is there, the next operation finds out. */
enum nfs4_status nfs4_op_putfh(struct nfs4_compound *c)
{
    struct nfs_object object;
    size_t length;
    const uint8_t *handle = xdr_opaque(c->in, NFS4_FHSIZE, &length);

    if (!handle)
        return NFS4ERR_BADXDR;
    int r = view_resolve(c->view, handle, length, &object);
    if (r == 0)
        nfs4_set_current(c, &object);
    return nfs_status_of(r);
}

enum nfs4_status nfs4_op_getfh(struct nfs4_compound *c)
{
    uint8_t handle[NFS_HANDLE_BYTES];

    view_handle(c->view, &c->current, handle);
    xdr_put_opaque(c->out, handle, sizeof(handle));
    return NFS4_OK;
}

enum nfs4_status nfs4_op_savefh(struct nfs4_compound *c)
{
    c->saved = c->current;
    c->saved_stateid = c->stateid;
    c->saved_has_stateid = c->has_stateid;
    return NFS4_OK;
}

enum nfs4_status nfs4_op_restorefh(struct nfs4_compound *c)
{
    if (!c->saved.set)
        return NFS4ERR_RESTOREFH;
    c->current = c->saved;
    c->stateid = c->saved_stateid;
    c->has_stateid = c->saved_has_stateid;
    return NFS4_OK;
}

static void tell_refused(struct nfs4_compound *c, const char *name)
{
    char path[NFS_PATH_SIZE + FOLDER_NAME_MAX + 2];

    if (c->current.export)
        return;
    snprintf(path, sizeof(path), "%.*s/%s", (int)c->current.path_bytes, c->current.path, name);
    server_refuse(c->request, path);
}

enum nfs4_status nfs4_op_lookup(struct nfs4_compound *c)
{
    char name[FOLDER_NAME_MAX + 1];
    struct folder_attributes a;
    struct nfs_object found;
    enum nfs4_status status = nfs4_take_name(c, name);

    if (status != NFS4_OK)
        return status;
    int r = view_lookup(c->view, &c->current, name, &found, &a);
    if (r == -ENOTDIR)
        return nfs4_must_be_directory(c);
    if (r == -ENOENT)
        tell_refused(c, name);
    if (r == 0)
        nfs4_set_current(c, &found);
    return nfs_status_of(r);
}

enum nfs4_status nfs4_op_lookupp(struct nfs4_compound *c)
{
    struct nfs_object parent;
    enum nfs4_status status = nfs4_must_be_directory(c);

    if (status != NFS4_OK)
        return status;
    int r = view_parent(c->view, &c->current, &parent);
    if (r == 0)
        nfs4_set_current(c, &parent);
    return nfs_status_of(r);
}

/* ---- which credentials are taken: AUTH_SYS, and AUTH_NONE ---- */

static enum nfs4_status put_security(struct nfs4_compound *c)
{
    writer_be32(c->out, 2);
    writer_be32(c->out, RPC_AUTH_SYS);
    writer_be32(c->out, RPC_AUTH_NONE);
    c->current = (struct nfs_object){0}; /* RFC 8881 2.6.3.1.1.8 */
    c->has_stateid = false;
    return NFS4_OK;
}

enum nfs4_status nfs4_op_secinfo(struct nfs4_compound *c)
{
    char name[FOLDER_NAME_MAX + 1];
    struct folder_attributes a;
    struct nfs_object found;
    enum nfs4_status status = nfs4_take_name(c, name);

    if (status == NFS4_OK)
        status = nfs4_must_be_directory(c);
    if (status == NFS4_OK)
        status = nfs_status_of(view_lookup(c->view, &c->current, name, &found, &a));
    return status == NFS4_OK ? put_security(c) : status;
}

enum nfs4_status nfs4_op_secinfo_no_name(struct nfs4_compound *c)
{
    enum { CURRENT = 0, PARENT = 1 };
    struct nfs_object parent;
    uint32_t style = reader_be32(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    if (status == NFS4_OK && style != CURRENT && style != PARENT)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK && style == PARENT)
        status = nfs4_must_be_directory(c);
    if (status == NFS4_OK && style == PARENT)
        status = nfs_status_of(view_parent(c->view, &c->current, &parent));
    return status == NFS4_OK ? put_security(c) : status;
}
