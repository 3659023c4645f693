#include "nfs/nfs3_parts.h"

enum nfs4_status nfs3_take_object(struct nfs3_call *c, struct nfs_object *object)
{
    size_t length;
    const uint8_t *handle = xdr_opaque(c->in, NFS3_FHSIZE, &length);

    return handle ? nfs_status_of(view_resolve(c->view, handle, length, object)) : NFS4ERR_BADXDR;
}

enum nfs4_status nfs3_take_name(struct nfs3_call *c, char name[FOLDER_NAME_MAX + 1])
{
    size_t length;
    const uint8_t *bytes = xdr_opaque(c->in, NFS_CALL_MAX_BYTES, &length);

    if (!bytes)
        return NFS4ERR_BADXDR;
    if (length > FOLDER_NAME_MAX)
        return NFS4ERR_NAMETOOLONG;
    if (length == 0 || memchr(bytes, '\0', length) || memchr(bytes, '/', length))
        return NFS4ERR_ACCESS; /* RFC 1813 3.2: names a server does not support */
    memcpy(name, bytes, length);
    name[length] = '\0';
    return NFS4_OK;
}

static void decode_time(struct reader *r, enum folder_time *how, struct timespec *t)
{
    enum { DONT_CHANGE = 0, SET_TO_SERVER_TIME = 1, SET_TO_CLIENT_TIME = 2 };
    uint32_t what = reader_be32(r);

    *how = what == SET_TO_SERVER_TIME ? FOLDER_TIME_NOW : FOLDER_TIME_KEEP;
    if (what > SET_TO_CLIENT_TIME)
        r->failed = true;
    if (what != SET_TO_CLIENT_TIME)
        return;
    *how = FOLDER_TIME_GIVEN;
    t->tv_sec = (time_t)reader_be32(r);
    t->tv_nsec = (long)reader_be32(r);
    if (t->tv_nsec >= 1000000000)
        r->failed = true;
}

void nfs3_decode_change(struct reader *r, struct folder_change *change)
{
    *change = (struct folder_change){.set_mode = xdr_bool(r)};
    if (change->set_mode)
        change->mode = reader_be32(r) & 07777;
    if ((change->set_uid = xdr_bool(r)))
        change->uid = reader_be32(r);
    if ((change->set_gid = xdr_bool(r)))
        change->gid = reader_be32(r);
    if ((change->set_size = xdr_bool(r)))
        change->size_bytes = reader_be64(r);
    decode_time(r, &change->set_accessed, &change->accessed);
    decode_time(r, &change->set_modified, &change->modified);
}

static void put_time(struct writer *w, uint64_t seconds, uint64_t nanoseconds)
{
    writer_be32(w, (uint32_t)seconds);
    writer_be32(w, (uint32_t)nanoseconds);
}

/* The time of the last change is our `change`, so that no two states of an object bear the same one. */
void nfs3_put_attributes(struct nfs3_call *c, const struct nfs_object *object,
                         const struct folder_attributes *a)
{
    static const uint32_t types[] = {
        [FOLDER_FILE] = 1,    [FOLDER_DIRECTORY] = 2, [FOLDER_BLOCK] = 3, [FOLDER_CHARACTER] = 4,
        [FOLDER_SYMLINK] = 5, [FOLDER_SOCKET] = 6,    [FOLDER_FIFO] = 7,
    };
    struct writer *w = c->out;

    writer_be32(w, types[a->kind]);
    writer_be32(w, a->mode);
    writer_be32(w, a->links);
    writer_be32(w, a->uid);
    writer_be32(w, a->gid);
    writer_be64(w, a->size_bytes);
    writer_be64(w, a->used_bytes);
    writer_be32(w, a->major);
    writer_be32(w, a->minor);
    writer_be64(w, view_file_system(object));
    writer_be64(w, a->object.inode);
    put_time(w, (uint64_t)a->accessed.tv_sec, (uint64_t)a->accessed.tv_nsec);
    put_time(w, (uint64_t)a->modified.tv_sec, (uint64_t)a->modified.tv_nsec);
    put_time(w, a->change / 1000000000, a->change % 1000000000);
}

void nfs3_put_post_attributes(struct nfs3_call *c, const struct nfs_object *object,
                              const struct folder_attributes *a)
{
    xdr_put_bool(c->out, true);
    nfs3_put_attributes(c, object, a);
}

void nfs3_put_post(struct nfs3_call *c, const struct nfs_object *object)
{
    struct folder_attributes a;

    if (view_attributes(c->view, object, &a) == 0)
        nfs3_put_post_attributes(c, object, &a);
    else
        xdr_put_bool(c->out, false);
}

void nfs3_put_handle(struct nfs3_call *c, const struct nfs_object *object)
{
    uint8_t handle[NFS_HANDLE_BYTES];

    view_handle(c->view, object, handle);
    xdr_put_opaque(c->out, handle, sizeof(handle));
}

void nfs3_put_wcc(struct nfs3_call *c, const struct nfs_object *object)
{
    xdr_put_bool(c->out, false);
    nfs3_put_post(c, object);
}
