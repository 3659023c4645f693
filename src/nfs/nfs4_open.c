/*
 * OPEN, OPEN_DOWNGRADE and CLOSE (RFC 8881 18.16, 18.18, 18.2). No delegations are given.
 */
#include "nfs/nfs4_parts.h"

enum {
    RESULT_LOCKTYPE_POSIX = 4,
    DELEGATE_NONE = 0,
    DELEGATE_NONE_EXT = 3,
    WHY_NOT_WANTED = 0,
    WHY_RESOURCE = 2,
    WHY_CANCELLED = 7,
    FILE_MODE = 0644,
};

struct wish {
    uint32_t access, deny, want;
    struct nfs4_owner owner;
    bool create;
    enum nfs4_create_mode create_mode;
    struct folder_change change;
    struct nfs4_bitmap named;
    uint8_t verifier[NFS4_VERIFIER_SIZE];
    uint32_t claim;
    char name[FOLDER_NAME_MAX + 1];
};

/* What came of it, for the answer. */
struct opening {
    struct nfs_object object;
    struct folder_attributes attributes;
    struct folder_step step;
    bool made;
};

/* ---- decoding ---- */

static enum nfs4_status decode_share(struct reader *r, struct wish *wish)
{
    uint32_t access = reader_be32(r);

    wish->deny = reader_be32(r);
    wish->want = access & OPEN4_SHARE_WANT_MASK;
    wish->access = access & OPEN4_SHARE_ACCESS_BOTH;
    if (!reader_ok(r))
        return NFS4ERR_BADXDR;
    bool known =
        !(access & ~(uint32_t)(OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_WANT_MASK | OPEN4_SHARE_WANT_SIGNALS));
    return known && wish->access && wish->deny <= OPEN4_SHARE_DENY_BOTH &&
                   wish->want <= OPEN4_SHARE_WANT_CANCEL
               ? NFS4_OK
               : NFS4ERR_INVAL;
}

static enum nfs4_status decode_how(struct reader *r, struct wish *wish)
{
    uint32_t mode;

    if (!(wish->create = xdr_bool(r)))
        return NFS4_OK;
    mode = reader_be32(r);
    if (mode > EXCLUSIVE4_1)
        return NFS4ERR_BADXDR;
    wish->create_mode = (enum nfs4_create_mode)mode;
    if (mode == EXCLUSIVE4 || mode == EXCLUSIVE4_1)
        reader_copy(r, wish->verifier, sizeof(wish->verifier));
    return mode == EXCLUSIVE4 ? NFS4_OK : nfs4_decode_change(r, &wish->change, &wish->named);
}

static enum nfs4_status decode_claim(struct nfs4_compound *c, struct wish *wish)
{
    wish->claim = reader_be32(c->in);
    switch (wish->claim) {
    case CLAIM_NULL:
        return nfs4_take_name(c, wish->name);
    case CLAIM_PREVIOUS:
        return reader_be32(c->in) == DELEGATE_NONE ? NFS4_OK : NFS4ERR_RECLAIM_BAD;
    case CLAIM_FH:
        return NFS4_OK;
    case CLAIM_DELEGATE_CUR:
    case CLAIM_DELEG_CUR_FH:
        return NFS4ERR_BAD_STATEID; /* there is no delegation that it could be a claim of */
    case CLAIM_DELEGATE_PREV:
    case CLAIM_DELEG_PREV_FH:
        return NFS4ERR_NOTSUPP;
    default:
        return NFS4ERR_BADXDR;
    }
}

static enum nfs4_status decode(struct nfs4_compound *c, struct wish *wish)
{
    enum nfs4_status status;

    reader_be32(c->in); /* a number of version 4.0 */
    status = decode_share(c->in, wish);
    reader_be64(c->in); /* the client: the session says who */
    wish->owner.bytes = xdr_opaque(c->in, NFS4_OPAQUE_LIMIT, &wish->owner.length_bytes);
    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = decode_how(c->in, wish);
    if (status == NFS4_OK)
        status = decode_claim(c, wish);
    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK && wish->create && wish->claim != CLAIM_NULL)
        status = NFS4ERR_INVAL;
    return status;
}

/* ---- finding or making the file ---- */

static bool is_exclusive(const struct wish *wish)
{
    return wish->create && (wish->create_mode == EXCLUSIVE4 || wish->create_mode == EXCLUSIVE4_1);
}

static int change_made(struct nfs4_compound *c, struct opening *opening, struct folder_change change)
{
    bool more =
        change.set_uid || change.set_gid || change.set_size || change.set_accessed || change.set_modified;

    change.set_mode = false; /* the making took it */
    return more ? view_change(c->view, &opening->object, &change, true) : 0;
}

static int make(struct nfs4_compound *c, const struct wish *wish, struct opening *opening)
{
    struct folder_make making = {
        .kind = FOLDER_FILE,
        .mode = wish->change.set_mode ? wish->change.mode : FILE_MODE,
        .verifier = is_exclusive(wish) ? wish->verifier : NULL,
    };
    int r = view_make(c->view, &c->current, wish->name, &making, &opening->object, &opening->attributes,
                      &opening->step);

    if (r == 0)
        r = change_made(c, opening, wish->change);
    opening->made = r == 0;
    return r;
}

static int look_up(struct nfs4_compound *c, const struct wish *wish, struct opening *opening)
{
    struct folder_attributes directory;
    int r = view_lookup(c->view, &c->current, wish->name, &opening->object, &opening->attributes);

    if (r == 0)
        r = view_attributes(c->view, &c->current, &directory);
    opening->step = (struct folder_step){directory.change, directory.change};
    return r;
}

static int find_by_name(struct nfs4_compound *c, const struct wish *wish, struct opening *opening)
{
    if (!wish->create)
        return look_up(c, wish, opening);
    int r = make(c, wish, opening);
    return r == -EEXIST && wish->create_mode == UNCHECKED4 ? look_up(c, wish, opening) : r;
}

static int find(struct nfs4_compound *c, const struct wish *wish, struct opening *opening)
{
    if (wish->claim == CLAIM_NULL)
        return find_by_name(c, wish, opening);
    opening->object = c->current;
    int r = view_attributes(c->view, &c->current, &opening->attributes);
    opening->step = (struct folder_step){0};
    return r;
}

/* ---- opening it ---- */

static uint32_t rights_for(const struct wish *wish)
{
    return (wish->access & OPEN4_SHARE_ACCESS_READ ? MAY_READ : 0) |
           (wish->access & OPEN4_SHARE_ACCESS_WRITE ? MAY_WRITE : 0);
}

/* Whoever makes a file has it open as he asked, whatever mode he gave it; and a program that may be run may
 * be read. */
static enum nfs4_status check_rights(struct nfs4_compound *c, const struct wish *wish,
                                     const struct opening *opening)
{
    uint32_t rights = permission_of(&opening->attributes, c->view->credential);
    uint32_t wanted = rights_for(wish);

    if (wanted & MAY_WRITE && opening->object.export->read_only)
        return NFS4ERR_ROFS;
    if (opening->made || wish->claim == CLAIM_PREVIOUS)
        return NFS4_OK;
    if (rights & MAY_EXECUTE)
        rights |= MAY_READ;
    return wanted & ~rights ? NFS4ERR_ACCESS : NFS4_OK;
}

static enum nfs4_status enter(struct nfs4_compound *c, const struct wish *wish, const struct opening *opening,
                              struct nfs4_stateid *stateid)
{
    struct nfs4_open open = {
        .owner = wish->owner,
        .key = nfs4_key_of(&opening->object),
        .access = wish->access,
        .deny = wish->deny,
        .reclaim = wish->claim == CLAIM_PREVIOUS,
    };
    int r = folder_file_open(opening->object.export->folder, opening->object.object, &open.file);

    if (r < 0)
        return nfs_status_of(r);
    enum nfs4_status status = nfs4_open_file(c->state, c->use.client, &open, c->now_ms, stateid);
    folder_file_put(open.file);
    return status;
}

/* Opening what exists "unchecked" with size 0 empties it; nothing else of the attributes counts then. */
static enum nfs4_status empty_if_asked(struct nfs4_compound *c, struct wish *wish,
                                       const struct opening *opening)
{
    struct folder_change change = {.set_size = true};

    if (opening->made || !wish->create || !wish->change.set_size || wish->change.size_bytes != 0) {
        if (!opening->made)
            wish->named = (struct nfs4_bitmap){0};
        return NFS4_OK;
    }
    wish->named = (struct nfs4_bitmap){0};
    nfs4_bitmap_set(&wish->named, FATTR4_SIZE);
    return nfs_status_of(view_change(c->view, &opening->object, &change, true));
}

static void put_no_delegation(struct writer *w, uint32_t want)
{
    writer_be32(w, want ? DELEGATE_NONE_EXT : DELEGATE_NONE);
    if (!want)
        return;
    if (want == OPEN4_SHARE_WANT_NO_DELEG) {
        writer_be32(w, WHY_NOT_WANTED);
    } else if (want == OPEN4_SHARE_WANT_CANCEL) {
        writer_be32(w, WHY_CANCELLED);
    } else {
        writer_be32(w, WHY_RESOURCE);
        xdr_put_bool(w, false); /* and we shall not tell when that changes */
    }
}

static void put_opened(struct nfs4_compound *c, const struct wish *wish, const struct opening *opening,
                       const struct nfs4_stateid *stateid)
{
    nfs4_put_stateid(c->out, stateid);
    nfs4_put_step(c->out, &opening->step);
    writer_be32(c->out, RESULT_LOCKTYPE_POSIX);
    nfs4_put_bitmap(c->out, &wish->named);
    put_no_delegation(c->out, wish->want);
}

static enum nfs4_status open_it(struct nfs4_compound *c, struct wish *wish)
{
    struct opening opening = {0};
    struct nfs4_stateid stateid;
    int r = find(c, wish, &opening);

    if (r < 0)
        return nfs_status_of(r);
    enum nfs4_status status = nfs4_must_be_file(opening.attributes.kind);
    if (status == NFS4_OK)
        status = check_rights(c, wish, &opening);
    if (status == NFS4_OK)
        status = enter(c, wish, &opening, &stateid);
    if (status == NFS4_OK)
        status = empty_if_asked(c, wish, &opening);
    if (status != NFS4_OK)
        return status;
    nfs4_set_current(c, &opening.object);
    nfs4_set_stateid(c, &stateid);
    put_opened(c, wish, &opening, &stateid);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_open(struct nfs4_compound *c)
{
    struct wish wish = {0};
    enum nfs4_status status = decode(c, &wish);

    if (status == NFS4_OK)
        status = nfs4_may_claim(c->state, c->use.client, wish.claim == CLAIM_PREVIOUS);
    if (status == NFS4_OK && wish.claim == CLAIM_NULL)
        status = nfs4_must_be_directory(c);
    return status == NFS4_OK ? open_it(c, &wish) : status;
}

/* ---- afterwards ---- */

enum nfs4_status nfs4_op_open_downgrade(struct nfs4_compound *c)
{
    struct nfs4_file_key key = nfs4_key_of(&c->current);
    struct nfs4_stateid stateid;
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);

    reader_be32(c->in); /* a number of version 4.0 */
    uint32_t access = reader_be32(c->in) & ~(uint32_t)OPEN4_SHARE_WANT_MASK;
    uint32_t deny = reader_be32(c->in);
    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK && (!access || access > OPEN4_SHARE_ACCESS_BOTH || deny > OPEN4_SHARE_DENY_BOTH))
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs4_open_downgrade(c->state, c->use.client, &key, access, deny, &stateid);
    if (status != NFS4_OK)
        return status;
    nfs4_set_stateid(c, &stateid);
    nfs4_put_stateid(c->out, &stateid);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_close(struct nfs4_compound *c)
{
    struct nfs4_file_key key = nfs4_key_of(&c->current);
    struct nfs4_stateid stateid;

    reader_be32(c->in); /* a number of version 4.0 */
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);
    if (status == NFS4_OK)
        status = nfs4_close_file(c->state, c->use.client, &key, &stateid);
    if (status != NFS4_OK)
        return status;
    c->has_stateid = false;
    nfs4_put_stateid(c->out, &stateid);
    return NFS4_OK;
}
