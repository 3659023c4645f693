/*
 * Attributes: bitmaps, one function per attribute, and what can be set (RFC 8881 5).
 */
#include "base/text.h"
#include "nfs/nfs4_parts.h"

#include <stdio.h>

enum { BITMAP_WORDS_MAX = 8, OWNER_MAX_BYTES = 1024, LINKS_MAX = 32000, NAME_BYTES_MAX = FOLDER_NAME_MAX };

/* ---- bitmaps ---- */

struct nfs4_bitmap nfs4_decode_bitmap(struct reader *r)
{
    struct nfs4_bitmap bitmap = {0};
    uint32_t count = xdr_count(r, BITMAP_WORDS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = reader_be32(r);
        if (i < NFS4_BITMAP_WORDS)
            bitmap.words[i] = word;
        else
            bitmap.beyond |= word != 0;
    }
    return bitmap;
}

void nfs4_put_bitmap(struct writer *w, const struct nfs4_bitmap *bitmap)
{
    uint32_t count = NFS4_BITMAP_WORDS;

    while (count && !bitmap->words[count - 1])
        count--;
    writer_be32(w, count);
    for (uint32_t i = 0; i < count; i++)
        writer_be32(w, bitmap->words[i]);
}

bool nfs4_bitmap_has(const struct nfs4_bitmap *bitmap, unsigned attribute)
{
    return bitmap->words[attribute / 32] >> attribute % 32 & 1;
}

void nfs4_bitmap_set(struct nfs4_bitmap *bitmap, unsigned attribute)
{
    bitmap->words[attribute / 32] |= UINT32_C(1) << attribute % 32;
}

bool nfs4_bitmap_is_empty(const struct nfs4_bitmap *bitmap)
{
    return !bitmap->beyond && !bitmap->words[0] && !bitmap->words[1] && !bitmap->words[2];
}

/* ---- one function per attribute ---- */

struct subject {
    struct nfs4_compound *c;
    const struct nfs_object *object;
    const struct folder_attributes *a;
    struct folder_space space;
};

typedef void put_fn(const struct subject *s, struct writer *w);

static put_fn put_supported, put_exclusive;

static void put_zero(const struct subject *s, struct writer *w)
{
    writer_be32(w, 0);
}

static void put_true(const struct subject *s, struct writer *w)
{
    xdr_put_bool(w, true);
}

static void put_type(const struct subject *s, struct writer *w)
{
    static const uint32_t types[] = {
        [FOLDER_FILE] = NF4REG,      [FOLDER_DIRECTORY] = NF4DIR, [FOLDER_SYMLINK] = NF4LNK,
        [FOLDER_FIFO] = NF4FIFO,     [FOLDER_SOCKET] = NF4SOCK,   [FOLDER_BLOCK] = NF4BLK,
        [FOLDER_CHARACTER] = NF4CHR,
    };

    writer_be32(w, types[s->a->kind]);
}

static void put_change(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->a->change);
}

static void put_size(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->a->size_bytes);
}

static void put_fsid(const struct subject *s, struct writer *w)
{
    writer_be64(w, view_file_system(s->object));
    writer_be64(w, 0);
}

static void put_lease_time(const struct subject *s, struct writer *w)
{
    writer_be32(w, NFS4_LEASE_SECONDS);
}

static void put_filehandle(const struct subject *s, struct writer *w)
{
    uint8_t handle[NFS_HANDLE_BYTES];

    view_handle(s->c->view, s->object, handle);
    xdr_put_opaque(w, handle, sizeof(handle));
}

static void put_fileid(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->a->object.inode);
}

static void put_mounted_on_fileid(const struct subject *s, struct writer *w)
{
    writer_be64(w, view_number_above(s->c->view, s->object, s->a));
}

static void put_files_free(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->space.free_files);
}

static void put_files_total(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->space.total_files);
}

static void put_maxfilesize(const struct subject *s, struct writer *w)
{
    writer_be64(w, INT64_MAX);
}

static void put_maxlink(const struct subject *s, struct writer *w)
{
    writer_be32(w, LINKS_MAX);
}

static void put_maxname(const struct subject *s, struct writer *w)
{
    writer_be32(w, NAME_BYTES_MAX);
}

static void put_max_io(const struct subject *s, struct writer *w)
{
    writer_be64(w, NFS4_IO_MAX_BYTES);
}

static void put_mode(const struct subject *s, struct writer *w)
{
    writer_be32(w, s->a->mode);
}

static void put_numlinks(const struct subject *s, struct writer *w)
{
    writer_be32(w, s->a->links);
}

/* A number in decimal: what clients send and understand without a name service (RFC 8881 5.9). */
static void put_id(struct writer *w, uint32_t id)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", id);
    xdr_put_string(w, text);
}

static void put_owner(const struct subject *s, struct writer *w)
{
    put_id(w, s->a->uid);
}

static void put_owner_group(const struct subject *s, struct writer *w)
{
    put_id(w, s->a->gid);
}

static void put_rawdev(const struct subject *s, struct writer *w)
{
    writer_be32(w, s->a->major);
    writer_be32(w, s->a->minor);
}

static void put_space_avail(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->space.available_bytes);
}

static void put_space_free(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->space.free_bytes);
}

static void put_space_total(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->space.total_bytes);
}

static void put_space_used(const struct subject *s, struct writer *w)
{
    writer_be64(w, s->a->used_bytes);
}

static void put_time(struct writer *w, struct timespec t)
{
    writer_be64(w, (uint64_t)t.tv_sec);
    writer_be32(w, (uint32_t)t.tv_nsec);
}

static void put_time_access(const struct subject *s, struct writer *w)
{
    put_time(w, s->a->accessed);
}

static void put_time_delta(const struct subject *s, struct writer *w)
{
    put_time(w, (struct timespec){0, 1});
}

static void put_time_metadata(const struct subject *s, struct writer *w)
{
    put_time(w, s->a->changed);
}

static void put_time_modify(const struct subject *s, struct writer *w)
{
    put_time(w, s->a->modified);
}

/* Those that are supported: can be read if there is a function, set if so marked. */
static const struct {
    put_fn *put;
    bool settable;
} attributes[FATTR4_COUNT] = {
    [FATTR4_SUPPORTED_ATTRS] = {put_supported},
    [FATTR4_TYPE] = {put_type},
    [FATTR4_FH_EXPIRE_TYPE] = {put_zero}, /* handles are for ever */
    [FATTR4_CHANGE] = {put_change},
    [FATTR4_SIZE] = {put_size, true},
    [FATTR4_LINK_SUPPORT] = {put_true},
    [FATTR4_SYMLINK_SUPPORT] = {put_true},
    [FATTR4_NAMED_ATTR] = {put_zero},
    [FATTR4_FSID] = {put_fsid},
    [FATTR4_UNIQUE_HANDLES] = {put_true},
    [FATTR4_LEASE_TIME] = {put_lease_time},
    [FATTR4_RDATTR_ERROR] = {put_zero},
    [FATTR4_ACLSUPPORT] = {put_zero},
    [FATTR4_CANSETTIME] = {put_true},
    [FATTR4_CASE_INSENSITIVE] = {put_zero},
    [FATTR4_CASE_PRESERVING] = {put_true},
    [FATTR4_CHOWN_RESTRICTED] = {put_true},
    [FATTR4_FILEHANDLE] = {put_filehandle},
    [FATTR4_FILEID] = {put_fileid},
    [FATTR4_FILES_AVAIL] = {put_files_free},
    [FATTR4_FILES_FREE] = {put_files_free},
    [FATTR4_FILES_TOTAL] = {put_files_total},
    [FATTR4_HOMOGENEOUS] = {put_true},
    [FATTR4_MAXFILESIZE] = {put_maxfilesize},
    [FATTR4_MAXLINK] = {put_maxlink},
    [FATTR4_MAXNAME] = {put_maxname},
    [FATTR4_MAXREAD] = {put_max_io},
    [FATTR4_MAXWRITE] = {put_max_io},
    [FATTR4_MODE] = {put_mode, true},
    [FATTR4_NO_TRUNC] = {put_true},
    [FATTR4_NUMLINKS] = {put_numlinks},
    [FATTR4_OWNER] = {put_owner, true},
    [FATTR4_OWNER_GROUP] = {put_owner_group, true},
    [FATTR4_RAWDEV] = {put_rawdev},
    [FATTR4_SPACE_AVAIL] = {put_space_avail},
    [FATTR4_SPACE_FREE] = {put_space_free},
    [FATTR4_SPACE_TOTAL] = {put_space_total},
    [FATTR4_SPACE_USED] = {put_space_used},
    [FATTR4_TIME_ACCESS] = {put_time_access},
    [FATTR4_TIME_ACCESS_SET] = {NULL, true},
    [FATTR4_TIME_DELTA] = {put_time_delta},
    [FATTR4_TIME_METADATA] = {put_time_metadata},
    [FATTR4_TIME_MODIFY] = {put_time_modify},
    [FATTR4_TIME_MODIFY_SET] = {NULL, true},
    [FATTR4_MOUNTED_ON_FILEID] = {put_mounted_on_fileid},
    [FATTR4_SUPPATTR_EXCLCREAT] = {put_exclusive},
};

static bool is_supported(unsigned attribute)
{
    return attributes[attribute].put || attributes[attribute].settable;
}

static void put_supported(const struct subject *s, struct writer *w)
{
    struct nfs4_bitmap bitmap = {0};

    for (unsigned i = 0; i < FATTR4_COUNT; i++) {
        if (is_supported(i))
            nfs4_bitmap_set(&bitmap, i);
    }
    nfs4_put_bitmap(w, &bitmap);
}

/* What may be set in the same step as an exclusive creation: the verifier has a place of its own here. */
static void put_exclusive(const struct subject *s, struct writer *w)
{
    struct nfs4_bitmap bitmap = {0};

    for (unsigned i = 0; i < FATTR4_COUNT; i++) {
        if (attributes[i].settable)
            nfs4_bitmap_set(&bitmap, i);
    }
    nfs4_put_bitmap(w, &bitmap);
}

/* ---- reading ---- */

enum nfs4_status nfs4_check_readable(const struct nfs4_bitmap *asked)
{
    bool only_settable =
        nfs4_bitmap_has(asked, FATTR4_TIME_ACCESS_SET) || nfs4_bitmap_has(asked, FATTR4_TIME_MODIFY_SET);

    return only_settable ? NFS4ERR_INVAL : NFS4_OK;
}

static bool asks_for_space(const struct nfs4_bitmap *asked)
{
    static const unsigned of_space[] = {FATTR4_FILES_AVAIL, FATTR4_FILES_FREE, FATTR4_FILES_TOTAL,
                                        FATTR4_SPACE_AVAIL, FATTR4_SPACE_FREE, FATTR4_SPACE_TOTAL};

    for (size_t i = 0; i < ARRAY_SIZE(of_space); i++) {
        if (nfs4_bitmap_has(asked, of_space[i]))
            return true;
    }
    return false;
}

static void put_values(const struct subject *s, struct writer *w, const struct nfs4_bitmap *given)
{
    size_t length = xdr_put_later(w);
    size_t begin = w->offset;

    for (unsigned i = 0; i < FATTR4_COUNT; i++) {
        if (nfs4_bitmap_has(given, i))
            attributes[i].put(s, w);
    }
    xdr_patch(w, length, (uint32_t)(w->offset - begin));
}

void nfs4_put_attributes(struct nfs4_compound *c, struct writer *w, const struct nfs_object *object,
                         const struct folder_attributes *a, const struct nfs4_bitmap *asked)
{
    struct subject subject = {.c = c, .object = object, .a = a};
    struct nfs4_bitmap given = {0};

    for (unsigned i = 0; i < FATTR4_COUNT; i++) {
        if (nfs4_bitmap_has(asked, i) && attributes[i].put)
            nfs4_bitmap_set(&given, i);
    }
    if (object->export && asks_for_space(&given))
        folder_space(object->export->folder, &subject.space);
    nfs4_put_bitmap(w, &given);
    put_values(&subject, w, &given);
}

/* Both sides write what they mean in the same way, so the written forms are compared. */
enum nfs4_status nfs4_compare_attributes(struct nfs4_compound *c, const struct nfs_object *object,
                                         const struct folder_attributes *a)
{
    enum { VALUES_MAX_BYTES = 4096 };
    struct nfs4_bitmap named = nfs4_decode_bitmap(c->in);
    struct subject subject = {.c = c, .object = object, .a = a};
    size_t length;
    const uint8_t *values = xdr_opaque(c->in, VALUES_MAX_BYTES, &length);
    uint8_t ours[VALUES_MAX_BYTES];
    struct writer w = writer_over(ours, sizeof(ours));

    if (!values)
        return NFS4ERR_BADXDR;
    if (named.beyond)
        return NFS4ERR_ATTRNOTSUPP;
    for (unsigned i = 0; i < FATTR4_COUNT; i++) {
        if (nfs4_bitmap_has(&named, i) && !is_supported(i))
            return NFS4ERR_ATTRNOTSUPP;
    }
    if (nfs4_check_readable(&named) != NFS4_OK || nfs4_bitmap_has(&named, FATTR4_RDATTR_ERROR))
        return NFS4ERR_INVAL;
    if (object->export && asks_for_space(&named))
        folder_space(object->export->folder, &subject.space);
    put_values(&subject, &w, &named);
    bool same = writer_ok(&w) && w.offset == length + 4 && memcmp(ours + 4, values, length) == 0;
    return same ? NFS4ERR_SAME : NFS4ERR_NOT_SAME;
}

/* ---- setting ---- */

static enum nfs4_status decode_id(struct reader *r, uint32_t *id)
{
    char text[16];
    size_t length;
    uint64_t value;
    const uint8_t *bytes = xdr_opaque(r, OWNER_MAX_BYTES, &length);

    if (!bytes)
        return NFS4ERR_BADXDR;
    if (length == 0)
        return NFS4ERR_INVAL;
    const uint8_t *at = memchr(bytes, '@', length);
    size_t name_bytes = at ? (size_t)(at - bytes) : length;
    if (name_bytes >= sizeof(text))
        return NFS4ERR_BADOWNER;
    memcpy(text, bytes, name_bytes);
    text[name_bytes] = '\0';
    if (strcmp(text, "root") == 0)
        value = 0;
    else if (at || !parse_u64(text, UINT32_MAX - 1, &value))
        return NFS4ERR_BADOWNER;
    *id = (uint32_t)value;
    return NFS4_OK;
}

static enum nfs4_status decode_time(struct reader *r, enum folder_time *how, struct timespec *t)
{
    enum { SET_TO_SERVER_TIME = 0, SET_TO_CLIENT_TIME = 1 };
    uint32_t what = reader_be32(r);

    *how = FOLDER_TIME_NOW;
    if (what == SET_TO_SERVER_TIME)
        return NFS4_OK;
    *how = FOLDER_TIME_GIVEN;
    t->tv_sec = (time_t)reader_be64(r);
    uint32_t nanoseconds = reader_be32(r);
    t->tv_nsec = (long)nanoseconds;
    if (what != SET_TO_CLIENT_TIME)
        return NFS4ERR_BADXDR;
    return nanoseconds < 1000000000 ? NFS4_OK : NFS4ERR_INVAL;
}

static enum nfs4_status decode_one(struct reader *r, unsigned attribute, struct folder_change *change)
{
    switch (attribute) {
    case FATTR4_SIZE:
        change->set_size = true;
        change->size_bytes = reader_be64(r);
        return change->size_bytes > INT64_MAX ? NFS4ERR_FBIG : NFS4_OK;
    case FATTR4_MODE:
        change->set_mode = true;
        change->mode = reader_be32(r);
        return change->mode & ~07777u ? NFS4ERR_INVAL : NFS4_OK;
    case FATTR4_OWNER:
        change->set_uid = true;
        return decode_id(r, &change->uid);
    case FATTR4_OWNER_GROUP:
        change->set_gid = true;
        return decode_id(r, &change->gid);
    case FATTR4_TIME_ACCESS_SET:
        return decode_time(r, &change->set_accessed, &change->accessed);
    case FATTR4_TIME_MODIFY_SET:
        return decode_time(r, &change->set_modified, &change->modified);
    default:
        return is_supported(attribute) ? NFS4ERR_INVAL : NFS4ERR_ATTRNOTSUPP;
    }
}

enum nfs4_status nfs4_decode_change(struct reader *r, struct folder_change *change, struct nfs4_bitmap *named)
{
    enum nfs4_status status = NFS4_OK;
    size_t length;

    *change = (struct folder_change){0};
    *named = nfs4_decode_bitmap(r);
    const uint8_t *bytes = xdr_opaque(r, NFS_CALL_MAX_BYTES, &length);
    struct reader values = reader_over(bytes, length);
    if (!bytes)
        return NFS4ERR_BADXDR;
    for (unsigned i = 0; i < FATTR4_COUNT && status == NFS4_OK; i++) {
        if (nfs4_bitmap_has(named, i))
            status = decode_one(&values, i, change);
    }
    if (status == NFS4_OK && named->beyond)
        status = NFS4ERR_ATTRNOTSUPP;
    if (status == NFS4_OK && (!reader_ok(&values) || reader_left(&values)))
        status = NFS4ERR_BADXDR;
    return status;
}
