/*
 * The operations on one object: its attributes and its contents.
 */
#include "nfs/nfs4_parts.h"

enum nfs4_status nfs4_op_access(struct nfs4_compound *c)
{
    struct folder_attributes a;
    uint32_t asked = reader_be32(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    if (status == NFS4_OK && asked & ~(uint32_t)ACCESS4_ALL)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs_status_of(view_attributes(c->view, &c->current, &a));
    if (status != NFS4_OK)
        return status;
    uint32_t meaningful = a.kind == FOLDER_DIRECTORY ? ACCESS4_ALL & ~ACCESS4_EXECUTE
                                                     : ACCESS4_ALL & ~(ACCESS4_LOOKUP | ACCESS4_DELETE);
    writer_be32(c->out, asked & meaningful);
    writer_be32(c->out, asked & permission_access_bits(&a, c->view->credential));
    return NFS4_OK;
}

enum nfs4_status nfs4_op_getattr(struct nfs4_compound *c)
{
    struct folder_attributes a;
    struct nfs4_bitmap asked = nfs4_decode_bitmap(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    if (status == NFS4_OK)
        status = nfs4_check_readable(&asked);
    if (status == NFS4_OK)
        status = nfs_status_of(view_attributes(c->view, &c->current, &a));
    if (status == NFS4_OK)
        nfs4_put_attributes(c, c->out, &c->current, &a, &asked);
    return status;
}

static enum nfs4_status verify(struct nfs4_compound *c, enum nfs4_status wanted)
{
    struct folder_attributes a;
    enum nfs4_status status = nfs_status_of(view_attributes(c->view, &c->current, &a));

    if (status == NFS4_OK)
        status = nfs4_compare_attributes(c, &c->current, &a);
    return status == wanted ? NFS4_OK : status;
}

enum nfs4_status nfs4_op_verify(struct nfs4_compound *c)
{
    return verify(c, NFS4ERR_SAME);
}

enum nfs4_status nfs4_op_nverify(struct nfs4_compound *c)
{
    return verify(c, NFS4ERR_NOT_SAME);
}

/* A new size is written data: whoever changes it needs what a writer needs. */
static enum nfs4_status check_size_change(struct nfs4_compound *c, const struct nfs4_stateid *stateid,
                                          bool *writable)
{
    struct nfs4_file_key key = nfs4_key_of(&c->current);
    struct folder_file *file;
    enum nfs4_status status =
        nfs4_check_io(c->state, c->use.client, &key, stateid, OPEN4_SHARE_ACCESS_WRITE, &file);

    *writable = file != NULL;
    folder_file_put(file);
    return status;
}

enum nfs4_status nfs4_op_setattr(struct nfs4_compound *c)
{
    struct folder_change change;
    struct nfs4_stateid stateid;
    struct nfs4_bitmap named;
    bool writable = false;
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);

    if (status == NFS4_OK)
        status = nfs4_decode_change(c->in, &change, &named);
    if (status == NFS4_OK && change.set_size)
        status = check_size_change(c, &stateid, &writable);
    if (status == NFS4_OK)
        status = nfs_status_of(view_change(c->view, &c->current, &change, writable));
    if (status == NFS4_OK)
        nfs4_put_bitmap(c->out, &named);
    return status;
}

enum nfs4_status nfs4_op_readlink(struct nfs4_compound *c)
{
    char target[FOLDER_TARGET_MAX + 1];
    int r = view_read_link(&c->current, target);

    if (r == -EINVAL)
        return NFS4ERR_WRONG_TYPE;
    if (r == 0)
        xdr_put_string(c->out, target);
    return nfs_status_of(r);
}

/* ---- contents ---- */

/* The file that I/O under a stateid goes to. */
static enum nfs4_status open_for_io(struct nfs4_compound *c, const struct nfs4_stateid *stateid,
                                    uint32_t access, struct folder_file **file)
{
    struct nfs4_file_key key = nfs4_key_of(&c->current);
    struct folder_attributes a;
    enum nfs4_status status = nfs4_check_io(c->state, c->use.client, &key, stateid, access, file);

    if (status != NFS4_OK || *file) /* what is open needs no more asking */
        return status;
    status = nfs_status_of(view_attributes(c->view, &c->current, &a));
    if (status == NFS4_OK)
        status = nfs4_must_be_file(a.kind);
    if (status != NFS4_OK)
        return status;
    return nfs_status_of(
        view_open(c->view, &c->current, access == OPEN4_SHARE_ACCESS_READ ? MAY_READ : MAY_WRITE, file));
}

static int read_into(struct writer *w, struct folder_file *file, uint64_t offset, size_t count)
{
    uint64_t size_bytes = 0;
    size_t eof_place = xdr_put_later(w);
    size_t length_place = xdr_put_later(w);
    ssize_t got = 0;

    int r = folder_file_size(file, &size_bytes);
    if (r == 0 && offset < size_bytes && writer_ok(w))
        got = folder_file_read(file, w->data + w->offset, MIN(count, size_bytes - offset), offset);
    if (r < 0 || got < 0)
        return r < 0 ? r : (int)got;
    xdr_patch(w, eof_place, offset + (uint64_t)got >= size_bytes);
    xdr_patch(w, length_place, (uint32_t)got);
    w->offset += (size_t)got;
    writer_fill(w, 0, -(size_t)got & 3);
    return 0;
}

enum nfs4_status nfs4_op_read(struct nfs4_compound *c)
{
    enum { RESULT_HEAD_BYTES = 8, PADDING_BYTES = 3 };
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct nfs4_stateid stateid;
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);
    uint64_t offset = reader_be64(c->in);
    size_t count = reader_be32(c->in);

    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = open_for_io(c, &stateid, OPEN4_SHARE_ACCESS_READ, &file);
    if (status != NFS4_OK)
        return status;
    size_t used = c->out->offset + RESULT_HEAD_BYTES + PADDING_BYTES;
    size_t room = c->max_reply_bytes > used ? c->max_reply_bytes - used : 0;
    if (count && !room)
        return NFS4ERR_REP_TOO_BIG;
    count = MIN(count, (size_t)NFS4_IO_MAX_BYTES);
    return nfs_status_of(read_into(c->out, file, offset, MIN(count, room)));
}

static int write_out(struct nfs4_compound *c, struct folder_file *file, const uint8_t *bytes,
                     size_t length_bytes, uint64_t offset, uint32_t stable)
{
    int r = folder_file_write(file, bytes, length_bytes, offset);

    return r == 0 && stable != UNSTABLE ? server_sync(c->server, file) : r;
}

enum nfs4_status nfs4_op_write(struct nfs4_compound *c)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct nfs4_stateid stateid;
    size_t length;
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);
    uint64_t offset = reader_be64(c->in);
    uint32_t stable = reader_be32(c->in);
    const uint8_t *bytes = xdr_opaque(c->in, NFS_CALL_MAX_BYTES, &length);

    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK && stable > FILE_SYNC)
        status = NFS4ERR_BADXDR;
    if (status == NFS4_OK && (offset > INT64_MAX || length > INT64_MAX - offset))
        status = NFS4ERR_FBIG;
    if (status == NFS4_OK)
        status = open_for_io(c, &stateid, OPEN4_SHARE_ACCESS_WRITE, &file);
    if (status == NFS4_OK)
        status = nfs_status_of(write_out(c, file, bytes, length, offset, stable));
    if (status != NFS4_OK)
        return status;
    writer_be32(c->out, (uint32_t)length);
    writer_be32(c->out, stable == UNSTABLE ? UNSTABLE : FILE_SYNC);
    writer_be64(c->out, c->server->write_verifier);
    return NFS4_OK;
}

/* All of the file, whatever range was named: nothing less can be synced. */
enum nfs4_status nfs4_op_commit(struct nfs4_compound *c)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct folder_attributes a;
    uint64_t offset = reader_be64(c->in);
    uint32_t count = reader_be32(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    if (status == NFS4_OK && count > UINT64_MAX - offset)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs_status_of(view_attributes(c->view, &c->current, &a));
    if (status == NFS4_OK)
        status = nfs4_must_be_file(a.kind);
    if (status == NFS4_OK)
        status = nfs_status_of(folder_file_open(c->current.export->folder, c->current.object, &file));
    if (status == NFS4_OK)
        status = nfs_status_of(server_sync(c->server, file));
    if (status == NFS4_OK)
        writer_be64(c->out, c->server->write_verifier);
    return status;
}
