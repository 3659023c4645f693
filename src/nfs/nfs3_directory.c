/*
 * The procedures on names in directories.
 */
#include "nfs/nfs3_parts.h"

enum { DIRECTORY_MODE = 0755, OTHER_MODE = 0644 };

struct place {
    struct nfs_object directory;
    char name[FOLDER_NAME_MAX + 1];
};

static enum nfs4_status take_place(struct nfs3_call *c, struct place *place)
{
    enum nfs4_status status = nfs3_take_object(c, &place->directory);
    enum nfs4_status name_status = nfs3_take_name(c, place->name);

    return status == NFS4_OK || name_status == NFS4ERR_BADXDR ? name_status : status;
}

static enum nfs4_status decoded(const struct nfs3_call *c, enum nfs4_status status)
{
    return reader_ok(c->in) ? status : NFS4ERR_BADXDR;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ---- LOOKUP: knows "." and "..", unlike the rest ---- */

static int look_up(struct nfs3_call *c, const struct place *place, struct nfs_object *object,
                   struct folder_attributes *a)
{
    if (!is_dots(place->name))
        return view_lookup(c->view, &place->directory, place->name, object, a);
    *object = place->directory;
    int r = place->name[1] ? view_parent(c->view, &place->directory, object) : 0;
    /* Above the top there is nothing for version 3. */
    if (r == 0 && !object->export)
        *object = place->directory;
    return r < 0 ? r : view_attributes(c->view, object, a);
}

enum nfs4_status nfs3_lookup(struct nfs3_call *c)
{
    struct folder_attributes a;
    struct nfs_object object;
    struct place place;
    enum nfs4_status status = take_place(c, &place);

    if (status == NFS4_OK)
        status = nfs_status_of(look_up(c, &place, &object, &a));
    if (status != NFS4_OK)
        return status;
    nfs3_put_handle(c, &object);
    nfs3_put_post_attributes(c, &object, &a);
    nfs3_put_post(c, &place.directory);
    return NFS4_OK;
}

/* ---- making ---- */

static void put_made(struct nfs3_call *c, const struct place *place, const struct nfs_object *object)
{
    xdr_put_bool(c->out, true);
    nfs3_put_handle(c, object);
    nfs3_put_post(c, object);
    nfs3_put_wcc(c, &place->directory);
}

static int change_made(struct nfs3_call *c, const struct nfs_object *object, struct folder_change *change)
{
    bool more = change->set_uid || change->set_gid || change->set_size || change->set_accessed ||
                change->set_modified;

    change->set_mode = false; /* the making took it */
    return more ? view_change(c->view, object, change, true) : 0;
}

static int make(struct nfs3_call *c, const struct place *place, struct folder_make *making,
                struct folder_change *change, struct nfs_object *object)
{
    struct folder_attributes a;
    struct folder_step step;

    making->mode = change->set_mode                   ? change->mode
                   : making->kind == FOLDER_DIRECTORY ? DIRECTORY_MODE
                                                      : OTHER_MODE;
    int r = is_dots(place->name)
                ? -EEXIST
                : view_make(c->view, &place->directory, place->name, making, object, &a, &step);
    return r < 0 ? r : change_made(c, object, change);
}

static enum nfs4_status make_and_tell(struct nfs3_call *c, const struct place *place,
                                      struct folder_make *making, struct folder_change *change)
{
    struct nfs_object object;
    int r = make(c, place, making, change, &object);

    if (r == 0)
        put_made(c, place, &object);
    return nfs_status_of(r);
}

/* "Unchecked" takes a plain file that is there already, and empties it if a size of 0 was given. */
static int use_existing(struct nfs3_call *c, const struct place *place, const struct folder_change *change,
                        struct nfs_object *object)
{
    struct folder_change emptying = {.set_size = true, .size_bytes = change->size_bytes};
    struct folder_attributes a;
    int r = view_lookup(c->view, &place->directory, place->name, object, &a);

    if (r < 0)
        return r;
    if (a.kind != FOLDER_FILE)
        return -EEXIST;
    return change->set_size ? view_change(c->view, object, &emptying, false) : 0;
}

enum nfs4_status nfs3_create(struct nfs3_call *c)
{
    enum { UNCHECKED = 0, GUARDED = 1, EXCLUSIVE = 2 };
    struct folder_make making = {.kind = FOLDER_FILE};
    struct folder_change change = {0};
    struct nfs_object object;
    struct place place;
    enum nfs4_status status = take_place(c, &place);
    uint32_t how = reader_be32(c->in);

    if (how > EXCLUSIVE)
        c->in->failed = true;
    if (how == EXCLUSIVE)
        making.verifier = reader_bytes(c->in, NFS3_VERIFIER_SIZE);
    else
        nfs3_decode_change(c->in, &change);
    status = decoded(c, status);
    if (status != NFS4_OK)
        return status;
    int r = make(c, &place, &making, &change, &object);
    if (r == -EEXIST && how == UNCHECKED && !is_dots(place.name))
        r = use_existing(c, &place, &change, &object);
    if (r == 0)
        put_made(c, &place, &object);
    return nfs_status_of(r);
}

enum nfs4_status nfs3_mkdir(struct nfs3_call *c)
{
    struct folder_make making = {.kind = FOLDER_DIRECTORY};
    struct folder_change change;
    struct place place;
    enum nfs4_status status = take_place(c, &place);

    nfs3_decode_change(c->in, &change);
    change.set_size = false;
    status = decoded(c, status);
    return status == NFS4_OK ? make_and_tell(c, &place, &making, &change) : status;
}

enum nfs4_status nfs3_symlink(struct nfs3_call *c)
{
    struct folder_make making = {.kind = FOLDER_SYMLINK};
    char target[FOLDER_TARGET_MAX + 1];
    struct folder_change change;
    struct place place;
    size_t length;
    enum nfs4_status status = take_place(c, &place);

    nfs3_decode_change(c->in, &change);
    change.set_size = false;
    const uint8_t *bytes = xdr_opaque(c->in, NFS_CALL_MAX_BYTES, &length);
    status = decoded(c, status);
    if (status == NFS4_OK && length > FOLDER_TARGET_MAX)
        status = NFS4ERR_NAMETOOLONG;
    if (status == NFS4_OK && (length == 0 || memchr(bytes, '\0', length)))
        status = NFS4ERR_INVAL;
    if (status != NFS4_OK)
        return status;
    memcpy(target, bytes, length);
    target[length] = '\0';
    making.target = target;
    return make_and_tell(c, &place, &making, &change);
}

enum nfs4_status nfs3_mknod(struct nfs3_call *c)
{
    enum { BLOCK = 3, CHARACTER = 4, SOCKET = 6, FIFO = 7 };
    static const enum folder_kind kinds[] = {[BLOCK] = FOLDER_BLOCK,
                                             [CHARACTER] = FOLDER_CHARACTER,
                                             [SOCKET] = FOLDER_SOCKET,
                                             [FIFO] = FOLDER_FIFO};
    struct folder_make making = {0};
    struct folder_change change = {0};
    struct place place;
    enum nfs4_status status = take_place(c, &place);
    uint32_t type = reader_be32(c->in);

    if (type >= ARRAY_SIZE(kinds) || !kinds[type])
        return decoded(c, status == NFS4_OK ? NFS4ERR_BADTYPE : status);
    making.kind = kinds[type];
    nfs3_decode_change(c->in, &change);
    change.set_size = false;
    if (type == BLOCK || type == CHARACTER) {
        making.major = reader_be32(c->in);
        making.minor = reader_be32(c->in);
    }
    status = decoded(c, status);
    return status == NFS4_OK ? make_and_tell(c, &place, &making, &change) : status;
}

/* ---- removing, renaming, linking ---- */

static enum nfs4_status remove_name(struct nfs3_call *c, enum folder_remove what)
{
    struct folder_step step;
    struct place place;
    enum nfs4_status status = take_place(c, &place);

    if (status == NFS4_OK)
        status = nfs_status_of(view_remove(c->view, &place.directory, place.name, what, &step));
    if (status == NFS4_OK)
        nfs3_put_wcc(c, &place.directory);
    return status;
}

enum nfs4_status nfs3_remove(struct nfs3_call *c)
{
    return remove_name(c, FOLDER_REMOVE_OTHER);
}

enum nfs4_status nfs3_rmdir(struct nfs3_call *c)
{
    return remove_name(c, FOLDER_REMOVE_DIRECTORY);
}

enum nfs4_status nfs3_rename(struct nfs3_call *c)
{
    struct folder_step from_step, to_step;
    struct place from, to;
    enum nfs4_status status = take_place(c, &from);
    enum nfs4_status to_status = take_place(c, &to);

    status = decoded(c, status == NFS4_OK ? to_status : status);
    if (status == NFS4_OK)
        status = nfs_status_of(
            view_rename(c->view, &from.directory, from.name, &to.directory, to.name, &from_step, &to_step));
    if (status != NFS4_OK)
        return status;
    nfs3_put_wcc(c, &from.directory);
    nfs3_put_wcc(c, &to.directory);
    return NFS4_OK;
}

enum nfs4_status nfs3_link(struct nfs3_call *c)
{
    struct folder_attributes a;
    struct nfs_object object;
    struct folder_step step;
    struct place place;
    enum nfs4_status status = nfs3_take_object(c, &object);
    enum nfs4_status place_status = take_place(c, &place);

    status = decoded(c, status == NFS4_OK ? place_status : status);
    if (status == NFS4_OK)
        status = nfs_status_of(view_attributes(c->view, &object, &a));
    if (status == NFS4_OK && a.kind == FOLDER_DIRECTORY)
        status = NFS4ERR_ISDIR;
    if (status == NFS4_OK)
        status = nfs_status_of(view_link(c->view, &object, &place.directory, place.name, &step));
    if (status != NFS4_OK)
        return status;
    nfs3_put_post(c, &object);
    nfs3_put_wcc(c, &place.directory);
    return NFS4_OK;
}

/* ---- listing ---- */

enum { LISTING_END_BYTES = 8, NAME_FIXED_BYTES = 24 };

struct listing {
    struct nfs3_call *c;
    struct nfs_object directory;
    bool plus;
    size_t limit;
    size_t names_left;
    unsigned count;
    bool full;
};

static void put_entry(struct listing *listing, const struct folder_entry *entry)
{
    struct writer *w = listing->c->out;
    struct nfs_object object = listing->directory;

    xdr_put_bool(w, true);
    writer_be64(w, entry->inode);
    xdr_put_string(w, entry->name);
    writer_be64(w, entry->cookie);
    if (!listing->plus)
        return;
    object.object = entry->attributes->object;
    nfs3_put_post_attributes(listing->c, &object, entry->attributes);
    xdr_put_bool(w, true);
    nfs3_put_handle(listing->c, &object);
}

static bool list_entry(void *arg, const struct folder_entry *entry)
{
    struct listing *listing = arg;
    struct writer *w = listing->c->out;
    size_t begin = w->offset;
    size_t name_bytes = strlen(entry->name) + NAME_FIXED_BYTES;

    listing->full = listing->count && listing->names_left < name_bytes;
    if (!listing->full) {
        put_entry(listing, entry);
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

static enum nfs4_status list(struct nfs3_call *c, struct listing *listing, uint64_t cookie,
                             uint32_t max_bytes)
{
    size_t begin = c->out->offset;
    bool ended;

    if (!listing->directory.export)
        return NFS4ERR_STALE;
    if (max_bytes < LISTING_END_BYTES + NFS3_VERIFIER_SIZE)
        return NFS4ERR_TOOSMALL;
    nfs3_put_post(c, &listing->directory);
    writer_be64(c->out, 0); /* our cookies stay good */
    listing->c = c;
    size_t room = MIN((size_t)max_bytes, c->io_max_bytes);
    listing->limit = MIN(begin + room, c->out->capacity_bytes) - LISTING_END_BYTES;
    int r = view_list(c->view, &listing->directory, cookie, listing->plus, list_entry, listing, &ended);
    if (r < 0)
        return nfs_status_of(r);
    if (listing->full && !listing->count)
        return NFS4ERR_TOOSMALL;
    xdr_put_bool(c->out, false);
    xdr_put_bool(c->out, ended && !listing->full);
    return NFS4_OK;
}

enum nfs4_status nfs3_readdir(struct nfs3_call *c)
{
    struct listing listing = {.names_left = SIZE_MAX};
    enum nfs4_status status = nfs3_take_object(c, &listing.directory);
    uint64_t cookie = reader_be64(c->in);

    reader_be64(c->in);
    uint32_t max_bytes = reader_be32(c->in);
    status = decoded(c, status);
    return status == NFS4_OK ? list(c, &listing, cookie, max_bytes) : status;
}

enum nfs4_status nfs3_readdirplus(struct nfs3_call *c)
{
    struct listing listing = {.plus = true};
    enum nfs4_status status = nfs3_take_object(c, &listing.directory);
    uint64_t cookie = reader_be64(c->in);

    reader_be64(c->in);
    listing.names_left = reader_be32(c->in);
    uint32_t max_bytes = reader_be32(c->in);
    status = decoded(c, status);
    return status == NFS4_OK ? list(c, &listing, cookie, max_bytes) : status;
}
