/*
 * What the files of version 3 share. Nothing else includes it.
 */
#pragma once

#include "nfs/nfs3.h"

enum { NFS3_FHSIZE = 64, NFS3_VERIFIER_SIZE = 8, NFS3_DATAGRAM_IO_BYTES = 32768 };

struct nfs3_call {
    const struct nfs_request *request;
    const struct nfs_view *view;
    struct reader *in;
    struct writer *out;
    size_t io_max_bytes;
};

/* Reads its arguments and appends its results. What it has written is taken back if it fails. */
typedef enum nfs4_status nfs3_procedure_fn(struct nfs3_call *c);

/* nfs3_directory.c */
nfs3_procedure_fn nfs3_lookup, nfs3_create, nfs3_mkdir, nfs3_symlink, nfs3_mknod, nfs3_remove, nfs3_rmdir,
    nfs3_rename, nfs3_link, nfs3_readdir, nfs3_readdirplus;

/* ---- nfs3_common.c ---- */

/* NFS4ERR_BADXDR stands for arguments that ran over: the call is answered as garbage. */
enum nfs4_status nfs3_take_object(struct nfs3_call *c, struct nfs_object *object);
enum nfs4_status nfs3_take_name(struct nfs3_call *c, char name[FOLDER_NAME_MAX + 1]);
void nfs3_decode_change(struct reader *r, struct folder_change *change);
void nfs3_put_attributes(struct nfs3_call *c, const struct nfs_object *object,
                         const struct folder_attributes *a);
/* post_op_attr, post_op_fh3, wcc_data: with what is known now. */
void nfs3_put_post(struct nfs3_call *c, const struct nfs_object *object);
void nfs3_put_post_attributes(struct nfs3_call *c, const struct nfs_object *object,
                              const struct folder_attributes *a);
void nfs3_put_handle(struct nfs3_call *c, const struct nfs_object *object);
void nfs3_put_wcc(struct nfs3_call *c, const struct nfs_object *object);
