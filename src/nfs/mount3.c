#include "nfs/mount3.h"

#include "base/inet.h"

enum { PATH_MAX_BYTES = 1024 };

/* An empty string or one with NUL inside is nobody's path. */
static bool take_path(struct reader *in, char path[PATH_MAX_BYTES + 1])
{
    size_t length;
    const uint8_t *bytes = xdr_opaque(in, PATH_MAX_BYTES, &length);

    if (!bytes)
        return false;
    memcpy(path, bytes, length);
    path[length] = '\0';
    return true;
}

static void put_mounted(const struct nfs_request *request, const struct nfs_object *object,
                        struct writer *out)
{
    uint8_t handle[NFS_HANDLE_BYTES];

    view_handle(&request->view, object, handle);
    writer_be32(out, NFS4_OK);
    xdr_put_opaque(out, handle, sizeof(handle));
    writer_be32(out, 1);
    writer_be32(out, RPC_AUTH_SYS);
}

static bool is_directory(const struct nfs_request *request, const struct nfs_object *object)
{
    struct folder_attributes attributes;

    return view_attributes(&request->view, object, &attributes) == 0 && attributes.kind == FOLDER_DIRECTORY;
}

/* A directory inside an export can be mounted as well: clients that copy one file do that. */
static enum rpc_accept mnt(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    char path[PATH_MAX_BYTES + 1];
    struct nfs_object object;

    if (!take_path(in, path))
        return RPC_GARBAGE_ARGUMENTS;
    if (view_find(&request->view, path, &object) == 0 && object.export && is_directory(request, &object)) {
        put_mounted(request, &object, out);
    } else {
        server_refuse(request, path);
        writer_be32(out, NFS4ERR_NOENT);
    }
    return RPC_SUCCESS;
}

static enum rpc_accept dump(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    xdr_put_bool(out, false);
    return RPC_SUCCESS;
}

static enum rpc_accept umnt(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    char path[PATH_MAX_BYTES + 1];

    return take_path(in, path) ? RPC_SUCCESS : RPC_GARBAGE_ARGUMENTS;
}

static enum rpc_accept nothing(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    return RPC_SUCCESS;
}

/* Only what the caller may mount, and only he is named. */
static enum rpc_accept list_exports(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    const struct nfs_exports *exports = request->view.exports;
    char address[INET_TEXT_SIZE];

    for (size_t i = 0; i < exports->count; i++) {
        xdr_put_bool(out, true);
        xdr_put_string(out, exports->list[i].path);
        xdr_put_bool(out, true);
        xdr_put_string(out, inet_format(address, request->caller->address));
        xdr_put_bool(out, false);
    }
    xdr_put_bool(out, false);
    return RPC_SUCCESS;
}

enum rpc_accept mount3_answer(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    static enum rpc_accept (*const procedures[])(const struct nfs_request *, struct reader *, struct writer *) = {
        nothing, mnt, dump, umnt, nothing, list_exports};

    if (request->call->procedure >= ARRAY_SIZE(procedures))
        return RPC_PROCEDURE_UNAVAILABLE;
    return procedures[request->call->procedure](request, in, out);
}
