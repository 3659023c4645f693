/*
 * One COMPOUND while it runs (RFC 8881 2.3, 16.2): decode an operation, run it, append its result, go on.
 *
 * Nothing outside the nfs4_*.c files includes it.
 */
#pragma once

#include "nfs/nfs4_compound.h"

struct nfs4_compound {
    const struct nfs_request *request;
    struct nfs_server *server;
    struct nfs4_state *state;
    const struct nfs_view *view;
    struct nfs4_principal who;
    uint64_t now_ms;

    struct reader *in;
    struct writer *out;
    uint32_t operation_count;
    uint32_t operation_index;
    uint64_t fingerprint;
    size_t least_reply_bytes;
    size_t max_reply_bytes;

    bool in_session;
    struct nfs4_slot_use use;
    bool is_repeat;   /* the answer of before is the answer */
    bool is_uncached; /* it was run before, and the answer was not kept */

    struct nfs_object current, saved;
    struct nfs4_stateid stateid, saved_stateid;
    bool has_stateid, saved_has_stateid;
};

typedef enum nfs4_status nfs4_operation_fn(struct nfs4_compound *c);

/* ---- by file: the operations ---- */

/* nfs4_session.c */
nfs4_operation_fn nfs4_op_exchange_id, nfs4_op_create_session, nfs4_op_destroy_session,
    nfs4_op_destroy_clientid, nfs4_op_bind_conn_to_session, nfs4_op_backchannel_ctl, nfs4_op_sequence,
    nfs4_op_reclaim_complete, nfs4_op_free_stateid, nfs4_op_test_stateid;
/* nfs4_handle.c */
nfs4_operation_fn nfs4_op_putrootfh, nfs4_op_putfh, nfs4_op_getfh, nfs4_op_savefh, nfs4_op_restorefh,
    nfs4_op_lookup, nfs4_op_lookupp, nfs4_op_secinfo, nfs4_op_secinfo_no_name;
/* nfs4_name.c */
nfs4_operation_fn nfs4_op_create, nfs4_op_remove, nfs4_op_rename, nfs4_op_link, nfs4_op_readdir;
/* nfs4_object.c */
nfs4_operation_fn nfs4_op_access, nfs4_op_getattr, nfs4_op_setattr, nfs4_op_verify, nfs4_op_nverify,
    nfs4_op_readlink, nfs4_op_read, nfs4_op_write, nfs4_op_commit;
/* nfs4_open.c */
nfs4_operation_fn nfs4_op_open, nfs4_op_open_downgrade, nfs4_op_close;
/* nfs4_lock.c */
nfs4_operation_fn nfs4_op_lock, nfs4_op_lockt, nfs4_op_locku;

/* ---- what they share: nfs4_common.c ---- */

/* NFS4ERR_BADXDR if the arguments so far ran over. */
enum nfs4_status nfs4_decoded(const struct nfs4_compound *c);
/* One component: NFS4ERR_INVAL if empty, NFS4ERR_NAMETOOLONG, NFS4ERR_BADCHAR, NFS4ERR_BADNAME. */
enum nfs4_status nfs4_take_name(struct nfs4_compound *c, char name[FOLDER_NAME_MAX + 1]);
/* "The current stateid" becomes what it stands for; NFS4ERR_BAD_STATEID if there is none. */
enum nfs4_status nfs4_take_stateid(struct nfs4_compound *c, struct nfs4_stateid *stateid);
struct nfs4_stateid nfs4_decode_stateid(struct reader *r);
void nfs4_put_stateid(struct writer *w, const struct nfs4_stateid *stateid);
void nfs4_put_step(struct writer *w, const struct folder_step *step);
void nfs4_set_current(struct nfs4_compound *c, const struct nfs_object *object);
void nfs4_set_stateid(struct nfs4_compound *c, const struct nfs4_stateid *stateid);
struct nfs4_file_key nfs4_key_of(const struct nfs_object *object);
/* Why an object of this kind cannot be opened, read or written; NFS4_OK for a plain file. */
enum nfs4_status nfs4_must_be_file(enum folder_kind kind);
/* The current object must be a directory: else NFS4ERR_NOTDIR, or NFS4ERR_SYMLINK. */
enum nfs4_status nfs4_must_be_directory(struct nfs4_compound *c);

/* ---- attributes: nfs4_attributes.c ---- */

enum { NFS4_BITMAP_WORDS = 3 };

struct nfs4_bitmap {
    uint32_t words[NFS4_BITMAP_WORDS];
    bool beyond; /* something was named that no word of ours can name */
};

struct nfs4_bitmap nfs4_decode_bitmap(struct reader *r);
void nfs4_put_bitmap(struct writer *w, const struct nfs4_bitmap *bitmap);
bool nfs4_bitmap_has(const struct nfs4_bitmap *bitmap, unsigned attribute);
void nfs4_bitmap_set(struct nfs4_bitmap *bitmap, unsigned attribute);
bool nfs4_bitmap_is_empty(const struct nfs4_bitmap *bitmap);

/* The fattr4 of an object, of what was asked for and is supported. */
void nfs4_put_attributes(struct nfs4_compound *c, struct writer *w, const struct nfs_object *object,
                         const struct folder_attributes *a, const struct nfs4_bitmap *asked);
/* NFS4ERR_INVAL if something is asked for that can only be set. */
enum nfs4_status nfs4_check_readable(const struct nfs4_bitmap *asked);
/* A fattr4 to be set. NFS4ERR_ATTRNOTSUPP, NFS4ERR_INVAL, NFS4ERR_BADOWNER, NFS4ERR_BADXDR. */
enum nfs4_status nfs4_decode_change(struct reader *r, struct folder_change *change,
                                    struct nfs4_bitmap *named);
/* NFS4ERR_SAME or NFS4ERR_NOT_SAME. */
enum nfs4_status nfs4_compare_attributes(struct nfs4_compound *c, const struct nfs_object *object,
                                         const struct folder_attributes *a);
