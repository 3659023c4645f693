#include "disk/ext4_edit.h"

#include "base/clock.h"
#include "base/text.h"
#include "disk/ext4_channel.h"

enum {
    FOLDER_ENTRIES_MAX = 65536,
    REMOVE_DEPTH_MAX = 16,
};

struct ext4_edit {
    ext2_filsys fs;
};

/* ---- open and close ---- */

static enum ext4_edit_refusal look_at(const struct ext2_super_block *super)
{
    const struct ext2_super_block s = *super;
    struct ext2_super_block *asked = (struct ext2_super_block *)super;

    if (ext2fs_has_feature_journal_needs_recovery(asked))
        return EXT4_EDIT_JOURNAL;
    if (!(s.s_state & EXT2_VALID_FS) || (s.s_state & EXT2_ERROR_FS) || s.s_last_orphan ||
        ext2fs_has_feature_orphan_present(asked))
        return EXT4_EDIT_UNCLEAN;
    return ext2fs_has_feature_quota(asked) ? EXT4_EDIT_QUOTA : EXT4_EDIT_CLEAN;
}

int ext4_edit_open(struct volume *volume, uint64_t start_bytes, uint64_t length_bytes, enum ext4_edit_refusal *refusal,
                   struct ext4_edit **edit)
{
    const struct disk_source disk = disk_source_over_volume(volume);
    const struct disk_source part = disk_source_part(&disk, start_bytes, length_bytes);
    ext2_filsys fs;
    int r = ext4_channel_open(&part, volume, EXT2_FLAG_RW | EXT2_FLAG_64BITS, &fs);

    *edit = NULL;
    if (r < 0)
        return r;
    *refusal = look_at(fs->super);
    if (*refusal == EXT4_EDIT_CLEAN)
        r = ext4_errno(ext2fs_read_bitmaps(fs));
    if (r < 0 || *refusal != EXT4_EDIT_CLEAN) {
        ext2fs_free(fs);
        return r;
    }
    *edit = xcalloc(1, sizeof(**edit));
    (*edit)->fs = fs;
    return 0;
}

int ext4_edit_close(struct ext4_edit *edit)
{
    if (!edit)
        return 0;
    errcode_t r = ext2fs_close(edit->fs);
    if (r)
        ext2fs_free(edit->fs);
    free(edit);
    return ext4_errno(r);
}

/* ---- finding ---- */

static int find(struct ext4_edit *edit, const char *path, ext2_ino_t *number)
{
    return ext4_errno(ext2fs_namei(edit->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, number));
}

static int find_folder(struct ext4_edit *edit, const char *path, ext2_ino_t *number)
{
    errcode_t r = ext2fs_namei_follow(edit->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, number);

    r = r ?: ext2fs_check_directory(edit->fs, *number);
    return ext4_errno(r);
}

bool ext4_edit_exists(struct ext4_edit *edit, const char *path)
{
    ext2_ino_t number;

    return find(edit, path, &number) == 0;
}

/* ---- emptying ---- */

/* libext2fs takes the data of a file that lived in its inode away, and leaves the inode saying that it has some. */
static errcode_t end_inline_data(ext2_filsys fs, ext2_ino_t number)
{
    struct ext2_inode inode;
    errcode_t r = ext2fs_read_inode(fs, number, &inode);

    if (r || !(inode.i_flags & EXT4_INLINE_DATA_FL))
        return r;
    inode.i_flags &= ~(uint32_t)EXT4_INLINE_DATA_FL;
    memset(inode.i_block, 0, sizeof(inode.i_block));
    return ext2fs_write_inode(fs, number, &inode);
}

int ext4_edit_empty(struct ext4_edit *edit, const char *path)
{
    struct ext2_inode inode;
    ext2_ino_t number;
    ext2_file_t file;
    int r = find(edit, path, &number);

    if (r < 0)
        return r;
    errcode_t code = ext2fs_read_inode(edit->fs, number, &inode);
    if (code || !LINUX_S_ISREG(inode.i_mode))
        return ext4_errno(code);
    code = ext2fs_file_open(edit->fs, number, EXT2_FILE_WRITE, &file);
    if (code)
        return ext4_errno(code);
    code = ext2fs_file_set_size2(file, 0);
    errcode_t closed = ext2fs_file_close(file);
    code = code ?: closed;
    return ext4_errno(code ?: end_inline_data(edit->fs, number));
}

/* ---- removing ---- */

struct entry {
    ext2_ino_t number;
    char name[EXT2_NAME_LEN + 1];
};

struct entries {
    struct entry *list;
    size_t count;
    bool (*wanted)(void *context, const char *name); /* NULL: all */
    void *context;
    bool too_many;
};

static int collect(ext2_ino_t directory, int place, struct ext2_dir_entry *raw, int offset, int block_size, char *block,
                   void *context)
{
    struct entries *entries = context;
    struct entry entry = {.number = raw->inode};

    memcpy(entry.name, raw->name, (size_t)ext2fs_dirent_name_len(raw));
    if (place == DIRENT_DELETED_FILE || string_equal(entry.name, ".") || string_equal(entry.name, "..") ||
        (entries->wanted && !entries->wanted(entries->context, entry.name)))
        return 0;
    if (entries->count == FOLDER_ENTRIES_MAX) {
        entries->too_many = true;
        return DIRENT_ABORT;
    }
    if ((entries->count & (entries->count - 1)) == 0)
        entries->list = xrealloc(entries->list, MAX(entries->count * 2, (size_t)1), sizeof(*entries->list));
    entries->list[entries->count++] = entry;
    return 0;
}

/* The last name of an inode is gone: its blocks, its attributes and itself are free. */
static errcode_t release(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode)
{
    struct ext2_inode *small = (struct ext2_inode *)inode;
    bool is_folder = LINUX_S_ISDIR(small->i_mode);
    errcode_t r = ext2fs_free_ext_attr(fs, number, inode);

    small->i_links_count = 0;
    small->i_dtime = (uint32_t)clock_wall_seconds();
    r = r ?: ext2fs_write_inode_full(fs, number, small, sizeof(*inode));
    if (!r && ext2fs_inode_has_valid_blocks2(fs, small))
        r = ext2fs_punch(fs, number, small, NULL, 0, ~0ULL);
    if (!r)
        ext2fs_inode_alloc_stats2(fs, number, -1, is_folder);
    return r;
}

/* A folder's ".." counted as a name of the one above. */
static errcode_t leave_parent(ext2_filsys fs, ext2_ino_t parent)
{
    struct ext2_inode inode;
    errcode_t r = ext2fs_read_inode(fs, parent, &inode);

    if (r || inode.i_links_count <= 2)
        return r;
    inode.i_links_count--;
    return ext2fs_write_inode(fs, parent, &inode);
}

static errcode_t remove_name(ext2_filsys fs, ext2_ino_t folder, const struct entry *entry)
{
    struct ext2_inode_large inode;
    struct ext2_inode *small = (struct ext2_inode *)&inode;
    errcode_t r = ext2fs_read_inode_full(fs, entry->number, small, sizeof(inode));

    r = r ?: ext2fs_unlink(fs, folder, entry->name, entry->number, 0);
    if (r)
        return r;
    if (LINUX_S_ISDIR(small->i_mode)) {
        r = leave_parent(fs, folder);
        return r ?: release(fs, entry->number, &inode);
    }
    if (small->i_links_count <= 1)
        return release(fs, entry->number, &inode);
    small->i_links_count--;
    return ext2fs_write_inode_full(fs, entry->number, small, sizeof(inode));
}

static int remove_entries(ext2_filsys fs, ext2_ino_t folder, struct entries *entries, int depth);

static int remove_entry(ext2_filsys fs, ext2_ino_t folder, const struct entry *entry, int depth)
{
    struct entries inner = {0};
    int r = 0;

    if (entry->number == EXT2_ROOT_INO || depth > REMOVE_DEPTH_MAX)
        return -EUCLEAN;
    if (ext2fs_check_directory(fs, entry->number) == 0)
        r = remove_entries(fs, entry->number, &inner, depth + 1);
    return r ?: ext4_errno(remove_name(fs, folder, entry));
}

static int remove_entries(ext2_filsys fs, ext2_ino_t folder, struct entries *entries, int depth)
{
    int r = ext4_errno(ext2fs_dir_iterate2(fs, folder, 0, NULL, collect, entries));

    if (r == 0 && entries->too_many)
        r = -E2BIG;
    for (size_t i = 0; r == 0 && i < entries->count; i++)
        r = remove_entry(fs, folder, &entries->list[i], depth);
    free(entries->list);
    return r;
}

int ext4_edit_remove_from(struct ext4_edit *edit, const char *folder, bool (*wanted)(void *context, const char *name),
                          void *context, unsigned *removed)
{
    struct entries entries = {.wanted = wanted, .context = context};
    ext2_ino_t number;
    int r = find_folder(edit, folder, &number);

    if (r < 0)
        return r == -ENOTDIR ? -ENOENT : r;
    r = remove_entries(edit->fs, number, &entries, 0);
    *removed += (unsigned)entries.count;
    return r;
}
