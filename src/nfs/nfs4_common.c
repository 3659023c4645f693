#include "nfs/nfs4_parts.h"

enum nfs4_status nfs4_decoded(const struct nfs4_compound *c)
{
    return reader_ok(c->in) ? NFS4_OK : NFS4ERR_BADXDR;
}

enum nfs4_status nfs4_take_name(struct nfs4_compound *c, char name[FOLDER_NAME_MAX + 1])
{
    size_t length;
    const uint8_t *bytes = xdr_opaque(c->in, NFS_CALL_MAX_BYTES, &length);

    if (!bytes)
        return NFS4ERR_BADXDR;
    if (length == 0)
        return NFS4ERR_INVAL;
    if (length > FOLDER_NAME_MAX)
        return NFS4ERR_NAMETOOLONG;
    if (memchr(bytes, '\0', length) || memchr(bytes, '/', length))
        return NFS4ERR_BADCHAR;
    memcpy(name, bytes, length);
    name[length] = '\0';
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? NFS4ERR_BADNAME : NFS4_OK;
}

struct nfs4_stateid nfs4_decode_stateid(struct reader *r)
{
    struct nfs4_stateid stateid = {.sequence = reader_be32(r)};

    reader_copy(r, stateid.other, sizeof(stateid.other));
    return stateid;
}

enum nfs4_status nfs4_take_stateid(struct nfs4_compound *c, struct nfs4_stateid *stateid)
{
    *stateid = nfs4_decode_stateid(c->in);
    if (!reader_ok(c->in))
        return NFS4ERR_BADXDR;
    if (!nfs4_stateid_is_current(stateid))
        return NFS4_OK;
    *stateid = c->stateid;
    return c->has_stateid ? NFS4_OK : NFS4ERR_BAD_STATEID;
}

void nfs4_put_stateid(struct writer *w, const struct nfs4_stateid *stateid)
{
    writer_be32(w, stateid->sequence);
    writer_bytes(w, stateid->other, sizeof(stateid->other));
}

/* change_info4: our two values frame the change and nothing else. */
void nfs4_put_step(struct writer *w, const struct folder_step *step)
{
    xdr_put_bool(w, true);
    writer_be64(w, step->before);
    writer_be64(w, step->after);
}

void nfs4_set_current(struct nfs4_compound *c, const struct nfs_object *object)
{
    c->current = *object;
    c->has_stateid = false;
}

void nfs4_set_stateid(struct nfs4_compound *c, const struct nfs4_stateid *stateid)
{
    c->stateid = *stateid;
    c->has_stateid = true;
}

struct nfs4_file_key nfs4_key_of(const struct nfs_object *object)
{
    return (struct nfs4_file_key){view_file_system(object), object->object};
}

enum nfs4_status nfs4_must_be_file(enum folder_kind kind)
{
    switch (kind) {
    case FOLDER_FILE:
        return NFS4_OK;
    case FOLDER_DIRECTORY:
        return NFS4ERR_ISDIR;
    case FOLDER_SYMLINK:
        return NFS4ERR_SYMLINK;
    case FOLDER_FIFO:
    case FOLDER_SOCKET:
    case FOLDER_BLOCK:
    case FOLDER_CHARACTER:
        break;
    }
    return NFS4ERR_WRONG_TYPE;
}

enum nfs4_status nfs4_must_be_directory(struct nfs4_compound *c)
{
    struct folder_attributes a;
    int r = view_attributes(c->view, &c->current, &a);

    if (r < 0)
        return nfs_status_of(r);
    if (a.kind == FOLDER_SYMLINK)
        return NFS4ERR_SYMLINK;
    return a.kind == FOLDER_DIRECTORY ? NFS4_OK : NFS4ERR_NOTDIR;
}
