/*
 * The operations on names in directories.
 */
#include "nfs/nfs4_parts.h"

enum { DIRECTORY_MODE = 0755, OTHER_MODE = 0644 };

/* ---- CREATE ---- */

static enum nfs4_status decode_target(struct reader *r, struct folder_make *make,
                                      char target[FOLDER_TARGET_MAX + 1])
{
    size_t length;
    const uint8_t *bytes = xdr_opaque(r, NFS_CALL_MAX_BYTES, &length);

    if (!bytes)
        return NFS4ERR_BADXDR;
    if (length == 0 || memchr(bytes, '\0', length))
        return NFS4ERR_INVAL;
    if (length > FOLDER_TARGET_MAX)
        return NFS4ERR_NAMETOOLONG;
    memcpy(target, bytes, length);
    target[length] = '\0';
    make->target = target;
    return NFS4_OK;
}

static enum nfs4_status decode_type(struct reader *r, struct folder_make *make,
                                    char target[FOLDER_TARGET_MAX + 1])
{
    static const enum folder_kind kinds[] = {
        [NF4DIR] = FOLDER_DIRECTORY, [NF4BLK] = FOLDER_BLOCK,   [NF4CHR] = FOLDER_CHARACTER,
        [NF4LNK] = FOLDER_SYMLINK,   [NF4SOCK] = FOLDER_SOCKET, [NF4FIFO] = FOLDER_FIFO,
    };
    uint32_t type = reader_be32(r);

    if (!reader_ok(r))
        return NFS4ERR_BADXDR;
    if (type < NF4DIR || type > NF4FIFO)
        return NFS4ERR_BADTYPE;
    make->kind = kinds[type];
    if (type == NF4LNK)
        return decode_target(r, make, target);
    if (type == NF4BLK || type == NF4CHR) {
        make->major = reader_be32(r);
        make->minor = reader_be32(r);
    }
    return NFS4_OK;
}

/* What was asked for beyond the mode, which the making itself takes. */
static int change_new(struct nfs4_compound *c, const struct nfs_object *object, struct folder_change *change)
{
    bool more = change->set_uid || change->set_gid || change->set_accessed || change->set_modified;

    change->set_mode = change->set_size = false;
    return more ? view_change(c->view, object, change, true) : 0;
}

static enum nfs4_status create(struct nfs4_compound *c, const char *name, struct folder_make *make,
                               struct folder_change *change, const struct nfs4_bitmap *named)
{
    struct folder_attributes a;
    struct nfs_object made;
    struct folder_step step;

    make->mode = change->set_mode                 ? change->mode
                 : make->kind == FOLDER_DIRECTORY ? DIRECTORY_MODE
                                                  : OTHER_MODE;
    int r = view_make(c->view, &c->current, name, make, &made, &a, &step);
    if (r == 0)
        r = change_new(c, &made, change);
    if (r < 0)
        return nfs_status_of(r);
    nfs4_set_current(c, &made);
    nfs4_put_step(c->out, &step);
    nfs4_put_bitmap(c->out, named);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_create(struct nfs4_compound *c)
{
    char target[FOLDER_TARGET_MAX + 1];
    char name[FOLDER_NAME_MAX + 1];
    struct folder_make make = {0};
    struct folder_change change;
    struct nfs4_bitmap named;
    enum nfs4_status status = decode_type(c->in, &make, target);

    if (status == NFS4_OK)
        status = nfs4_take_name(c, name);
    if (status == NFS4_OK)
        status = nfs4_decode_change(c->in, &change, &named);
    if (status == NFS4_OK && change.set_size)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs4_must_be_directory(c);
    return status == NFS4_OK ? create(c, name, &make, &change, &named) : status;
}

/* ---- REMOVE, RENAME, LINK ---- */

enum nfs4_status nfs4_op_remove(struct nfs4_compound *c)
{
    char name[FOLDER_NAME_MAX + 1];
    struct folder_step step;
    enum nfs4_status status = nfs4_take_name(c, name);

    if (status == NFS4_OK)
        status = nfs_status_of(view_remove(c->view, &c->current, name, FOLDER_REMOVE_ANY, &step));
    if (status == NFS4_OK)
        nfs4_put_step(c->out, &step);
    return status;
}

enum nfs4_status nfs4_op_rename(struct nfs4_compound *c)
{
    char from_name[FOLDER_NAME_MAX + 1], to_name[FOLDER_NAME_MAX + 1];
    struct folder_step from_step, to_step;
    enum nfs4_status status = nfs4_take_name(c, from_name);

    if (status == NFS4_OK)
        status = nfs4_take_name(c, to_name);
    if (status == NFS4_OK)
        status = nfs_status_of(
            view_rename(c->view, &c->saved, from_name, &c->current, to_name, &from_step, &to_step));
    if (status == NFS4_OK) {
        nfs4_put_step(c->out, &from_step);
        nfs4_put_step(c->out, &to_step);
    }
    return status;
}

enum nfs4_status nfs4_op_link(struct nfs4_compound *c)
{
    char name[FOLDER_NAME_MAX + 1];
    struct folder_attributes a;
    struct folder_step step;
    enum nfs4_status status = nfs4_take_name(c, name);

    if (status == NFS4_OK)
        status = nfs4_must_be_directory(c);
    if (status == NFS4_OK)
        status = nfs_status_of(view_attributes(c->view, &c->saved, &a));
    if (status == NFS4_OK && a.kind == FOLDER_DIRECTORY)
        status = NFS4ERR_ISDIR;
    if (status == NFS4_OK)
        status = nfs_status_of(view_link(c->view, &c->saved, &c->current, name, &step));
    if (status == NFS4_OK)
        nfs4_put_step(c->out, &step);
    return status;
}

/* ---- READDIR ---- */

enum { LISTING_END_BYTES = 8, ENTRY_FIXED_BYTES = 16 };

struct listing {
    struct nfs4_compound *c;
    struct nfs4_bitmap asked;
    size_t limit;        /* where the entries must have ended */
    uint32_t names_left; /* of dircount: names and cookies */
    unsigned count;
    bool full;
};

static bool with_attributes(const struct nfs4_bitmap *asked)
{
    return !nfs4_bitmap_is_empty(asked);
}

/* The object behind an entry; above the exports it may be one's top. */
static int object_of(struct listing *listing, const struct folder_entry *entry, struct nfs_object *object)
{
    struct nfs4_compound *c = listing->c;
    struct folder_attributes a;

    if (!c->current.export)
        return view_lookup(c->view, &c->current, entry->name, object, &a);
    *object = c->current;
    if (entry->attributes)
        object->object = entry->attributes->object;
    return 0;
}

static void put_entry(struct listing *listing, const struct folder_entry *entry,
                      const struct nfs_object *object)
{
    static const struct folder_attributes none = {0};
    struct writer *w = listing->c->out;

    xdr_put_bool(w, true);
    writer_be64(w, entry->cookie);
    xdr_put_string(w, entry->name);
    nfs4_put_attributes(listing->c, w, object, entry->attributes ? entry->attributes : &none,
                        &listing->asked);
}

static bool list_entry(void *arg, const struct folder_entry *entry)
{
    struct listing *listing = arg;
    struct writer *w = listing->c->out;
    size_t begin = w->offset;
    uint32_t name_bytes = (uint32_t)strlen(entry->name) + ENTRY_FIXED_BYTES;
    struct nfs_object object;

    if (object_of(listing, entry, &object) < 0)
        return true;
    listing->full = listing->count && listing->names_left < name_bytes;
    if (!listing->full) {
        put_entry(listing, entry, &object);
        listing->full = !writer_ok(w) || w->offset > listing->limit;
    }
    if (listing->full) {
        xdr_rewind(w, begin);
        return false;
    }
    listing->names_left -= MIN(listing->names_left, name_bytes);
    listing->count++;
    return true;
}

static enum nfs4_status list(struct nfs4_compound *c, struct listing *listing, uint64_t cookie)
{
    bool ended;
    int r = view_list(c->view, &c->current, cookie, with_attributes(&listing->asked), list_entry, listing,
                      &ended);

    if (r < 0)
        return nfs_status_of(r);
    if (listing->full && !listing->count)
        return NFS4ERR_TOOSMALL;
    xdr_put_bool(c->out, false);
    xdr_put_bool(c->out, ended && !listing->full);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_readdir(struct nfs4_compound *c)
{
    struct listing listing = {.c = c};
    size_t begin = c->out->offset;
    uint64_t cookie = reader_be64(c->in);

    reader_be64(c->in); /* its verifier: our cookies stay good */
    listing.names_left = reader_be32(c->in);
    uint32_t max_bytes = reader_be32(c->in);
    listing.asked = nfs4_decode_bitmap(c->in);
    enum nfs4_status status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = nfs4_check_readable(&listing.asked);
    if (status == NFS4_OK && (cookie == 1 || cookie == 2))
        status = NFS4ERR_BAD_COOKIE;
    if (status == NFS4_OK && max_bytes < NFS4_VERIFIER_SIZE + LISTING_END_BYTES)
        status = NFS4ERR_TOOSMALL;
    if (status == NFS4_OK)
        status = nfs4_must_be_directory(c);
    if (status != NFS4_OK)
        return status == NFS4ERR_SYMLINK ? NFS4ERR_NOTDIR : status;
    if (listing.names_left == 0) /* no hint */
        listing.names_left = UINT32_MAX;
    listing.limit = MIN(begin + max_bytes, c->max_reply_bytes) - LISTING_END_BYTES;
    writer_be64(c->out, 0);
    return list(c, &listing, cookie);
}
