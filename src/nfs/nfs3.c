#include "nfs/nfs3_parts.h"

/* ---- attributes ---- */

static enum nfs4_status decoded(const struct nfs3_call *c, enum nfs4_status status)
{
    return reader_ok(c->in) ? status : NFS4ERR_BADXDR;
}

static enum nfs4_status take_attributes(struct nfs3_call *c, struct nfs_object *object,
                                        struct folder_attributes *a)
{
    enum nfs4_status status = nfs3_take_object(c, object);

    return status == NFS4_OK ? nfs_status_of(view_attributes(c->view, object, a)) : status;
}

static enum nfs4_status getattr(struct nfs3_call *c)
{
    struct folder_attributes a;
    struct nfs_object object;
    enum nfs4_status status = take_attributes(c, &object, &a);

    if (status == NFS4_OK)
        nfs3_put_attributes(c, &object, &a);
    return status;
}

/* A guard is the time of the last change that the client knows of. */
static enum nfs4_status check_guard(struct nfs3_call *c, const struct nfs_object *object)
{
    enum { NOT_SYNCHRONIZED = 10002 };
    struct folder_attributes a;
    bool guarded = xdr_bool(c->in);
    uint64_t seconds = guarded ? reader_be32(c->in) : 0;
    uint64_t nanoseconds = guarded ? reader_be32(c->in) : 0;

    if (!reader_ok(c->in) || !guarded)
        return decoded(c, NFS4_OK);
    int r = view_attributes(c->view, object, &a);
    if (r < 0)
        return nfs_status_of(r);
    bool same = (uint32_t)(a.change / 1000000000) == seconds && a.change % 1000000000 == nanoseconds;
    return same ? NFS4_OK : (enum nfs4_status)NOT_SYNCHRONIZED;
}

static enum nfs4_status setattr(struct nfs3_call *c)
{
    struct folder_change change;
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);

    nfs3_decode_change(c->in, &change);
    status = decoded(c, status);
    if (status == NFS4_OK)
        status = check_guard(c, &object);
    if (status == NFS4_OK)
        status = nfs_status_of(view_change(c->view, &object, &change, false));
    if (status == NFS4_OK)
        nfs3_put_wcc(c, &object);
    return status;
}

static enum nfs4_status access_(struct nfs3_call *c)
{
    struct folder_attributes a;
    struct nfs_object object;
    enum nfs4_status status = take_attributes(c, &object, &a);
    uint32_t asked = reader_be32(c->in);

    status = decoded(c, status);
    if (status != NFS4_OK)
        return status;
    nfs3_put_post_attributes(c, &object, &a);
    writer_be32(c->out, asked & permission_access_bits(&a, c->view->credential));
    return NFS4_OK;
}

static enum nfs4_status readlink_(struct nfs3_call *c)
{
    char target[FOLDER_TARGET_MAX + 1];
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);

    if (status == NFS4_OK)
        status = nfs_status_of(view_read_link(&object, target));
    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    xdr_put_string(c->out, target);
    return NFS4_OK;
}

/* ---- contents ---- */

static int read_into(struct nfs3_call *c, struct folder_file *file, uint64_t offset, size_t count)
{
    struct writer *w = c->out;
    uint64_t size_bytes = 0;
    size_t count_place = xdr_put_later(w);
    size_t eof_place = xdr_put_later(w);
    size_t length_place = xdr_put_later(w);
    ssize_t got = 0;

    int r = folder_file_size(file, &size_bytes);
    if (r == 0 && offset < size_bytes && writer_left(w) >= count + 3)
        got = folder_file_read(file, w->data + w->offset, MIN(count, size_bytes - offset), offset);
    if (r < 0 || got < 0)
        return r < 0 ? r : (int)got;
    xdr_patch(w, count_place, (uint32_t)got);
    xdr_patch(w, eof_place, offset + (uint64_t)got >= size_bytes);
    xdr_patch(w, length_place, (uint32_t)got);
    w->offset += (size_t)got;
    writer_fill(w, 0, -(size_t)got & 3);
    return 0;
}

static enum nfs4_status read_(struct nfs3_call *c)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);
    uint64_t offset = reader_be64(c->in);
    size_t count = reader_be32(c->in);

    status = decoded(c, status);
    if (status == NFS4_OK)
        status = nfs_status_of(view_open(c->view, &object, MAY_READ, &file));
    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    return nfs_status_of(read_into(c, file, offset, MIN(count, c->io_max_bytes)));
}

static int write_into(struct nfs3_call *c, const struct nfs_object *object, const uint8_t *bytes,
                      size_t length, uint64_t offset, bool sync)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    int r = view_open(c->view, object, MAY_WRITE, &file);

    if (r == 0)
        r = folder_file_write(file, bytes, length, offset);
    return r == 0 && sync ? server_sync(c->request->server, file) : r;
}

static enum nfs4_status write_(struct nfs3_call *c)
{
    struct nfs_object object;
    size_t length;
    enum nfs4_status status = nfs3_take_object(c, &object);
    uint64_t offset = reader_be64(c->in);
    uint32_t count = reader_be32(c->in);
    uint32_t stable = reader_be32(c->in);
    const uint8_t *bytes = xdr_opaque(c->in, NFS_CALL_MAX_BYTES, &length);

    if (stable > FILE_SYNC)
        c->in->failed = true;
    status = decoded(c, status);
    length = MIN(length, (size_t)count);
    if (status == NFS4_OK && (offset > INT64_MAX || length > INT64_MAX - offset))
        status = NFS4ERR_FBIG;
    if (status == NFS4_OK)
        status = nfs_status_of(write_into(c, &object, bytes, length, offset, stable != UNSTABLE));
    if (status != NFS4_OK)
        return status;
    nfs3_put_wcc(c, &object);
    writer_be32(c->out, (uint32_t)length);
    writer_be32(c->out, stable == UNSTABLE ? UNSTABLE : FILE_SYNC);
    writer_be64(c->out, c->request->server->write_verifier);
    return NFS4_OK;
}

/* All of the file, whatever range was named: nothing less can be synced. */
static enum nfs4_status commit(struct nfs3_call *c)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);

    reader_be64(c->in);
    reader_be32(c->in);
    status = decoded(c, status);
    if (status == NFS4_OK && !object.export)
        status = NFS4ERR_ISDIR;
    if (status == NFS4_OK)
        status = nfs_status_of(folder_file_open(object.export->folder, object.object, &file));
    if (status == NFS4_OK)
        status = nfs_status_of(server_sync(c->request->server, file));
    if (status != NFS4_OK)
        return status;
    nfs3_put_wcc(c, &object);
    writer_be64(c->out, c->request->server->write_verifier);
    return NFS4_OK;
}

/* ---- about the file system ---- */

static enum nfs4_status fsstat(struct nfs3_call *c)
{
    struct folder_space space = {0};
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);

    if (status == NFS4_OK && object.export)
        status = nfs_status_of(folder_space(object.export->folder, &space));
    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    writer_be64(c->out, space.total_bytes);
    writer_be64(c->out, space.free_bytes);
    writer_be64(c->out, space.available_bytes);
    writer_be64(c->out, space.total_files);
    writer_be64(c->out, space.free_files);
    writer_be64(c->out, space.free_files);
    writer_be32(c->out, 0);
    return NFS4_OK;
}

static enum nfs4_status fsinfo(struct nfs3_call *c)
{
    enum { IO_MULTIPLE = 4096, HAS_LINKS = 1, HAS_SYMLINKS = 2, HOMOGENEOUS = 8, CAN_SET_TIME = 16 };
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);
    uint32_t io_bytes = (uint32_t)c->io_max_bytes;

    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    for (int reading_then_writing = 0; reading_then_writing < 2; reading_then_writing++) {
        writer_be32(c->out, io_bytes);
        writer_be32(c->out, io_bytes);
        writer_be32(c->out, IO_MULTIPLE);
    }
    writer_be32(c->out, MIN(io_bytes, (uint32_t)NFS3_DATAGRAM_IO_BYTES)); /* for listings */
    writer_be64(c->out, INT64_MAX);
    writer_be32(c->out, 0); /* times are good to the nanosecond */
    writer_be32(c->out, 1);
    writer_be32(c->out, HAS_LINKS | HAS_SYMLINKS | HOMOGENEOUS | CAN_SET_TIME);
    return NFS4_OK;
}

static enum nfs4_status pathconf_(struct nfs3_call *c)
{
    enum { LINKS_MAX = 32000 };
    struct nfs_object object;
    enum nfs4_status status = nfs3_take_object(c, &object);

    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    writer_be32(c->out, LINKS_MAX);
    writer_be32(c->out, FOLDER_NAME_MAX);
    xdr_put_bool(c->out, true);  /* too long is an error */
    xdr_put_bool(c->out, true);  /* only root gives files away */
    xdr_put_bool(c->out, false); /* case counts */
    xdr_put_bool(c->out, true);
    return NFS4_OK;
}

/* ---- all of them ---- */

static const struct {
    nfs3_procedure_fn *run;
    unsigned failure_words; /* of zeros that an error carries: attributes that are not given */
    bool changes;
} procedures[] = {
    [1] = {getattr, 0, false},
    [2] = {setattr, 2, true},
    [3] = {nfs3_lookup, 1, false},
    [4] = {access_, 1, false},
    [5] = {readlink_, 1, false},
    [6] = {read_, 1, false},
    [7] = {write_, 2, false},
    [8] = {nfs3_create, 2, true},
    [9] = {nfs3_mkdir, 2, true},
    [10] = {nfs3_symlink, 2, true},
    [11] = {nfs3_mknod, 2, true},
    [12] = {nfs3_remove, 2, true},
    [13] = {nfs3_rmdir, 2, true},
    [14] = {nfs3_rename, 4, true},
    [15] = {nfs3_link, 3, true},
    [16] = {nfs3_readdir, 1, false},
    [17] = {nfs3_readdirplus, 1, false},
    [18] = {fsstat, 1, false},
    [19] = {fsinfo, 1, false},
    [20] = {pathconf_, 1, false},
    [21] = {commit, 2, false},
};

bool nfs3_is_idempotent(uint32_t procedure)
{
    return procedure >= ARRAY_SIZE(procedures) || !procedures[procedure].changes;
}

enum rpc_accept nfs3_answer(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    uint32_t procedure = request->call->procedure;
    struct nfs3_call call = {
        .request = request,
        .view = &request->view,
        .in = in,
        .out = out,
        .io_max_bytes = request->caller->datagram ? NFS3_DATAGRAM_IO_BYTES : NFS4_IO_MAX_BYTES,
    };

    if (procedure == 0)
        return RPC_SUCCESS;
    if (procedure >= ARRAY_SIZE(procedures))
        return RPC_PROCEDURE_UNAVAILABLE;
    size_t place = xdr_put_later(out);
    enum nfs4_status status = procedures[procedure].run(&call);
    if (status == NFS4ERR_BADXDR || !reader_ok(in))
        return RPC_GARBAGE_ARGUMENTS;
    if (status != NFS4_OK) {
        xdr_rewind(out, place + 4);
        writer_fill(out, 0, procedures[procedure].failure_words * (size_t)4);
    }
    xdr_patch(out, place, status);
    return RPC_SUCCESS;
}
